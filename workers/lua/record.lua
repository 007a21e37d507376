-- Record what a callback says that was not known; harmless when run twice.
-- KEYS: task, its callbacks, its asset names, alarms, counters, then a record for each asset
-- ARGV: now, first alarm, task id, family, stage, stage rank, code, meaning, digest, callback,
--       then name, url, key, media, deadline for each asset
-- Reply: {unsettled assets, whether anything changed, name, deadline, attempts, name, …} of what to send
local task, callbacks, names, alarms, counters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, first_alarm, id = ARGV[1], ARGV[2], ARGV[3]
local family, stage, rank, code, meaning = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local OWN_KEYS, OWN_ARGV, PER_ASSET = 5, 10, 5

local changed = redis.call('HSETNX', callbacks, ARGV[9], ARGV[10]) == 1
local reply = {}

for i = 1, #KEYS - OWN_KEYS do
  local record, at = KEYS[OWN_KEYS + i], OWN_ARGV + (i - 1) * PER_ASSET
  local name, url, key, media, deadline = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local known = redis.call('HMGET', record, 'state', 'url', 'attempts')
  local state, attempts, send = known[1], '0', false
  if not state or (state ~= 'archived' and known[2] ~= url) then
    changed = true
    if state == 'transferring' then
      redis.call('HSET', record, 'url', url, 'deadline', deadline)
    elseif state == 'pending' then
      redis.call('HSET', record, 'url', url, 'deadline', deadline, 'not_before', now, 'streak', 0)
      attempts, send = known[3], true
    else
      redis.call('DEL', record)
      redis.call('HSET', record, 'state', 'pending', 'attempts', 0, 'recorded_at', now,
        'url', url, 'key', key, 'media', media, 'deadline', deadline)
      redis.call('SADD', names, name)
      redis.call('HINCRBY', task, 'open', 1)
      send = true
    end
  end
  if send then
    redis.call('ZADD', alarms, first_alarm, id .. '/' .. name)
    reply[#reply + 1] = name
    reply[#reply + 1] = deadline
    reply[#reply + 1] = attempts
  end
end

local open = tonumber(redis.call('HGET', task, 'open') or '0')
if changed then
  redis.call('HSETNX', task, 'first_at', now)
  if tonumber(rank) >= tonumber(redis.call('HGET', task, 'rank') or '0') then
    redis.call('HSET', task, 'family', family, 'stage', stage, 'rank', rank, 'code', code, 'meaning', meaning)
  end
  redis.call('HINCRBY', task, 'version', 1)
  for _, key in ipairs({task, callbacks, names}) do redis.call('PERSIST', key) end
  for i = OWN_KEYS + 1, #KEYS do redis.call('PERSIST', KEYS[i]) end
  if open == 0 then redis.call('ZADD', alarms, first_alarm, id) end
end
redis.call('HINCRBY', counters, 'callbacks|' .. family .. '|' .. stage, 1)
table.insert(reply, 1, changed and 1 or 0)
table.insert(reply, 1, open)
return reply
