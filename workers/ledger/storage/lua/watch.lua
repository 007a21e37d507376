-- Watch a task: have the provider asked about it. A task is watched once, also if it has several purposes; the purpose
-- that comes first in RANK counts.
-- KEYS: watches, watch, the dead letters of this minute
-- ARGV: task, family ('' if it is to be found), purpose, seconds until the first request, least seconds between two
--       requests, seconds after which it is given up, least seconds between two refreshes, most refreshes, most dead
--       letters a minute
-- Reply: 1 if it is watched and a request will come, else 0: it has had its refreshes, or too many dead letters came
local RANK = {watch = 1, backfill = 2, reconcile = 3, refresh = 4, dead_letter = 5}
local now, task, family, purpose = clock(), ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('HMGET', KEYS[2], 'purpose', 'asked_at', 'refreshed_at', 'refreshes', 'family', 'refresh_until')
-- Times further ahead than they can be are from before Redis's clock was set back
-- (test_a_clock_that_is_set_back_delays_no_refresh).
if known[2] and tonumber(known[2]) > now then known[2] = now end
if known[3] and tonumber(known[3]) > now + ARGV[7] + ARGV[5] then known[3] = now end
local waits = redis.call('ZSCORE', KEYS[1], task)
local at = now + ARGV[4]
if purpose == 'dead_letter' then
  local minute = string.format('%d', math.floor(now / 60))
  if redis.call('HGET', KEYS[3], 'minute') ~= minute then redis.call('DEL', KEYS[3]) end
  redis.call('HSET', KEYS[3], 'minute', minute)
  if redis.call('HINCRBY', KEYS[3], 'number', 1) > tonumber(ARGV[9]) then return 0 end
elseif purpose == 'refresh' then
  -- A refresh that is wanted too early waits for its time. One that waits serves all assets of the task.
  -- One whose time is over is lost with the next callback: another takes its place
  -- (test_a_refresh_that_is_wanted_after_one_has_ended_outlives_a_callback).
  local is_open = waits and known[6] and tonumber(known[6]) > now
  if is_open and known[3] and tonumber(known[3]) > tonumber(known[2] or '0') then
    at = tonumber(known[3])
  else
    if tonumber(known[4] or '0') >= tonumber(ARGV[8]) then return 0 end
    at = math.max(at, tonumber(known[3] or '0') + ARGV[7])
    redis.call('HSET', KEYS[2], 'refreshed_at', string.format('%.3f', at), 'refresh_until',
      string.format('%.3f', at + ARGV[6]))
    redis.call('HINCRBY', KEYS[2], 'refreshes', 1)
  end
end
if known[2] then at = math.max(at, known[2] + ARGV[5]) end
if waits then
  if at < tonumber(waits) then redis.call('ZADD', KEYS[1], at, task) end
  if known[5] == '' and family ~= '' then redis.call('HSET', KEYS[2], 'family', family) end
  if RANK[purpose] < RANK[known[1]] then
    redis.call('HSET', KEYS[2], 'purpose', purpose, 'until', string.format('%.3f', now + ARGV[6]))
  end
  return 1
end
if family == '' and known[5] then family = known[5] end
redis.call('HDEL', KEYS[2], 'outcome', 'ended_at', 'reason', 'asked', 'tried', 'doubtful', 'unknown')
redis.call('HSET', KEYS[2], 'purpose', purpose, 'family', family, 'since', string.format('%.3f', now),
  'until', string.format('%.3f', now + ARGV[6]))
redis.call('PERSIST', KEYS[2])
redis.call('ZADD', KEYS[1], at, task)
return 1
