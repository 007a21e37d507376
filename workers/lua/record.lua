-- Record what a callback says that was not known; harmless when run twice.
-- KEYS: task, its callbacks, its asset names, alarms, counters, ready:urgent, ready:assets,
--       then a record for each asset
-- ARGV: now, urgent window, the task's alarm, task id, stage rank, family, stage, digest, callback, most callbacks
--       a task, most assets a task, number of task fields, their names and values,
--       then name, url, key, deadline, announced seconds ('' for none), '1' or '' for optional, for each asset
-- Reply: {unsettled assets, whether anything changed, how many became ready urgently, how many otherwise,
--         whether the callback itself was kept, how many assets were too many}
local task, callbacks, names, alarms, counters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local urgent, assets = KEYS[6], KEYS[7]
local now, window, task_alarm, id, rank = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local family, stage, digest = ARGV[6], ARGV[7], ARGV[8]
local most_callbacks, most_assets = tonumber(ARGV[10]), tonumber(ARGV[11])
local fields_end = 12 + 2 * tonumber(ARGV[12])
local OWN_KEYS, PER_ASSET = 7, 6

local kept = redis.call('HEXISTS', callbacks, digest) == 1
local changed = false
if not kept and redis.call('HLEN', callbacks) < most_callbacks then
  redis.call('HSET', callbacks, digest, ARGV[9])
  kept, changed = true, true
end

-- Facts of the callback that an asset keeps while it is not archived.
local function announce(record, url, deadline, seconds, optional)
  redis.call('HSET', record, 'url', url, 'deadline', deadline)
  if seconds ~= '' then redis.call('HSET', record, 'announced_seconds', seconds) end
  if optional ~= '' then redis.call('HSET', record, 'optional', optional) end
end

local ready, known_names, surplus = {[urgent] = 0, [assets] = 0}, redis.call('SCARD', names), 0
for i = 1, #KEYS - OWN_KEYS do
  local record, at = KEYS[OWN_KEYS + i], fields_end + (i - 1) * PER_ASSET
  local name, url, key, deadline = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local seconds, optional = ARGV[at + 5], ARGV[at + 6]
  local known = redis.call('HMGET', record, 'state', 'url')
  local state = known[1]
  if not state and known_names >= most_assets then
    surplus = surplus + 1
  elseif not state or (state ~= 'archived' and known[2] ~= url) then
    changed = true
    if state == 'transferring' then
      announce(record, url, deadline, seconds, optional)
    else
      if state == 'pending' then
        announce(record, url, deadline, seconds, optional)
        redis.call('HSET', record, 'streak', 0)
      else
        redis.call('DEL', record)
        redis.call('HSET', record, 'state', 'pending', 'attempts', 0, 'recorded_at', ARGV[1], 'key', key)
        announce(record, url, deadline, seconds, optional)
        known_names = known_names + redis.call('SADD', names, name)
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
  if rank >= tonumber(redis.call('HGET', task, 'rank') or '0') then
    redis.call('HDEL', task, 'code', 'meaning', 'message', 'fail_code', 'failed_tracks', 'notes')
    redis.call('HSET', task, 'family', family, 'stage', stage, 'rank', rank)
    for i = 13, fields_end, 2 do redis.call('HSET', task, ARGV[i], ARGV[i + 1]) end
  end
  redis.call('HINCRBY', task, 'version', 1)
  for _, key in ipairs({task, callbacks, names}) do redis.call('PERSIST', key) end
  for i = OWN_KEYS + 1, #KEYS do redis.call('PERSIST', KEYS[i]) end
  if open == 0 then redis.call('ZADD', alarms, task_alarm, id) end
end
redis.call('HINCRBY', counters, 'callbacks|' .. family .. '|' .. stage, 1)
return {open, changed and 1 or 0, ready[urgent], ready[assets], kept and 1 or 0, surplus}
