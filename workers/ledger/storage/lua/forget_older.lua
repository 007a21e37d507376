-- A task of the older format was recorded in the new format: forget the older record. An asset that only the older
-- record has as archived becomes archived in the new one too.
-- KEYS: older task, its callbacks, its asset names, older timers, ready:urgent, ready:assets, new task, new timers,
--       waiting:urgent, waiting:assets, waiting:suspects, then the older assets
-- ARGV: task id, version of the older record that was read, prefix of the new assets' records, then the assets' names
-- Reply: 1, or 0 if the older record has changed since, or if a worker of either version holds one of its assets
local OWN_KEYS, OWN_ARGV = 11, 3
local task, timers = KEYS[7], KEYS[8]
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[2] then return 0 end
local now = clock()
for i = OWN_KEYS + 1, #KEYS do
  local member = ARGV[1] .. '/' .. ARGV[i - OWN_KEYS + OWN_ARGV]
  local older = redis.call('HMGET', KEYS[i], 'state', 'lease')
  if older[1] == 'transferring' and tonumber(older[2]) > now then return 0 end
  if older[1] == 'archived' and redis.call('HGET', ARGV[3] .. member, 'state') == 'transferring' then return 0 end
end
redis.call('ZREM', KEYS[4], ARGV[1])
for i = OWN_KEYS + 1, #KEYS do
  local member = ARGV[1] .. '/' .. ARGV[i - OWN_KEYS + OWN_ARGV]
  local record = ARGV[3] .. member
  for set = 4, 6 do redis.call('ZREM', KEYS[set], member) end
  local older = redis.call('HMGET', KEYS[i], 'state', 'partial', 'seconds')
  local state = redis.call('HGET', record, 'state')
  if older[1] == 'archived' and state and state ~= 'archived' then
    for _, field in ipairs({'state', 'size', 'sha256', 'content_type', 'settled_at', 'notes', 'seconds'}) do
      local value = redis.call('HGET', KEYS[i], field)
      if value then redis.call('HSET', record, field, value) end
    end
    redis.call('HDEL', record, 'error', 'streak', 'lapses', 'crashes', 'crashes_in_company', 'final', 'fresh')
    redis.call('ZREM', timers, member)
    waiting.remove({KEYS[9], KEYS[10], KEYS[11]}, member, redis.call('HGET', record, 'url') or '')
    if state == 'pending' then redis.call('HINCRBY', task, 'open', -1) end
    redis.call('HINCRBY', task, 'version', 1)
  elseif older[2] and state == 'pending' then
    -- The bucket has a partial file of this asset; the new record has to know its key.
    redis.call('HSET', record, 'partial', older[2], 'seconds', older[3] or 0)
  end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for i = OWN_KEYS + 1, #KEYS do redis.call('DEL', KEYS[i]) end
-- The older version may have ended before it wrote the manifest.
if (redis.call('HGET', task, 'open') or '') == '0' then
  redis.call('PERSIST', task)
  redis.call('ZADD', timers, now, ARGV[1])
end
return 1
