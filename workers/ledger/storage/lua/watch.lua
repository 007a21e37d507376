-- Watch a task: have the provider asked about it. A task is watched once, whatever has asked for it; the purpose that
-- comes first in RANK is the one that counts.
-- KEYS: watches, watch
-- ARGV: task, family ('' if it is to be found), purpose, seconds until the first request, least seconds between two
--       requests, seconds after which it is given up, least seconds between two refreshes, most refreshes
-- Reply: 1 if it is watched and a request will come, 0 for a refresh that is not due
local RANK = {watch = 1, backfill = 2, reconcile = 3, refresh = 4}
local now, task, family, purpose = clock(), ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('HMGET', KEYS[2], 'purpose', 'asked_at', 'refreshed_at', 'refreshes', 'family')
if purpose == 'refresh' then
  if tonumber(known[4] or '0') >= tonumber(ARGV[8]) then return 0 end
  if known[3] and now < tonumber(known[3]) + ARGV[7] then return 0 end
  redis.call('HSET', KEYS[2], 'refreshed_at', string.format('%.3f', now))
  redis.call('HINCRBY', KEYS[2], 'refreshes', 1)
end
local at = now + ARGV[4]
if known[2] then at = math.max(at, known[2] + ARGV[5]) end
local waits = redis.call('ZSCORE', KEYS[1], task)
if waits then
  if at < tonumber(waits) then redis.call('ZADD', KEYS[1], at, task) end
  if known[5] == '' and family ~= '' then redis.call('HSET', KEYS[2], 'family', family) end
  if RANK[purpose] < RANK[known[1]] then
    redis.call('HSET', KEYS[2], 'purpose', purpose, 'until', string.format('%.3f', now + ARGV[6]))
  end
  return 1
end
if family == '' and known[5] then family = known[5] end
redis.call('HDEL', KEYS[2], 'outcome', 'ended_at', 'reason', 'asked', 'tried')
redis.call('HSET', KEYS[2], 'purpose', purpose, 'family', family, 'since', string.format('%.3f', now),
  'until', string.format('%.3f', now + ARGV[6]))
redis.call('PERSIST', KEYS[2])
redis.call('ZADD', KEYS[1], at, task)
return 1
