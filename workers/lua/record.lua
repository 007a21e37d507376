-- Record what a callback says that was not known; harmless when run twice.
-- KEYS: task, its callbacks, its asset names, alarms, counters, ready:urgent, ready:assets,
--       then a record for each asset
-- ARGV: now, urgent window, the task's alarm, task id, family, stage, stage rank, code, meaning, digest, callback,
--       most callbacks a task, then name, url, key, media, deadline for each asset
-- Reply: {unsettled assets, whether anything changed, how many became ready urgently, how many otherwise},
--        or {} where the task has as many callbacks as it may have
local task, callbacks, names, alarms, counters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local urgent, assets = KEYS[6], KEYS[7]
local now, window, task_alarm, id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local family, stage, rank, code, meaning = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local OWN_KEYS, OWN_ARGV, PER_ASSET = 7, 12, 5

if redis.call('HEXISTS', callbacks, ARGV[10]) == 0 and redis.call('HLEN', callbacks) >= tonumber(ARGV[12]) then
  return {}
end
local changed = redis.call('HSETNX', callbacks, ARGV[10], ARGV[11]) == 1
local ready = {[urgent] = 0, [assets] = 0}

for i = 1, #KEYS - OWN_KEYS do
  local record, at = KEYS[OWN_KEYS + i], OWN_ARGV + (i - 1) * PER_ASSET
  local name, url, key, media, deadline = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local known = redis.call('HMGET', record, 'state', 'url')
  local state = known[1]
  if not state or (state ~= 'archived' and known[2] ~= url) then
    changed = true
    if state == 'transferring' then
      redis.call('HSET', record, 'url', url, 'deadline', deadline)
    else
      if state == 'pending' then
        redis.call('HSET', record, 'url', url, 'deadline', deadline, 'streak', 0)
      else
        redis.call('DEL', record)
        redis.call('HSET', record, 'state', 'pending', 'attempts', 0, 'recorded_at', ARGV[1],
          'url', url, 'key', key, 'media', media, 'deadline', deadline)
        redis.call('SADD', names, name)
        redis.call('HINCRBY', task, 'open', 1)
      end
      local member, queue, look_at = id .. '/' .. name, assets, tonumber(deadline) - window
      if look_at <= now then queue, look_at = urgent, deadline end
      redis.call('ZREM', urgent, member)
      redis.call('ZREM', assets, member)
      redis.call('ZADD', queue, deadline, member)
      redis.call('ZADD', alarms, look_at, member)
      ready[queue] = ready[queue] + 1
    end
  end
end

local open = tonumber(redis.call('HGET', task, 'open') or '0')
if changed then
  redis.call('HSETNX', task, 'first_at', ARGV[1])
  if tonumber(rank) >= tonumber(redis.call('HGET', task, 'rank') or '0') then
    redis.call('HSET', task, 'family', family, 'stage', stage, 'rank', rank, 'code', code, 'meaning', meaning)
  end
  redis.call('HINCRBY', task, 'version', 1)
  for _, key in ipairs({task, callbacks, names}) do redis.call('PERSIST', key) end
  for i = OWN_KEYS + 1, #KEYS do redis.call('PERSIST', KEYS[i]) end
  if open == 0 then redis.call('ZADD', alarms, task_alarm, id) end
end
redis.call('HINCRBY', counters, 'callbacks|' .. family .. '|' .. stage, 1)
return {open, changed and 1 or 0, ready[urgent], ready[assets]}
