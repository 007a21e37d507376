-- A task of the older format was recorded anew: forget it there.
-- KEYS: the older task, its callbacks, its asset names, its alarms, its ready:urgent, its ready:assets, then its assets,
--       then the task's new record and the new alarms
-- ARGV: task id, version that was recorded anew, the prefix of the new assets' records, then the assets' names
-- Reply: 1, or 0 where it has changed meanwhile or a worker holds one of its assets
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[2] then return 0 end
local now, last = clock(), #KEYS - 2
local task, alarms = KEYS[last + 1], KEYS[last + 2]
for i = 7, last do
  local known = redis.call('HMGET', KEYS[i], 'state', 'lease')
  if known[1] == 'transferring' and tonumber(known[2]) > now then return 0 end
end
redis.call('ZREM', KEYS[4], ARGV[1])
for i = 7, last do
  local member = ARGV[1] .. '/' .. ARGV[i - 3]
  for set = 4, 6 do redis.call('ZREM', KEYS[set], member) end
  -- What came of an unfinished song lies in the bucket; the new record has to know of it.
  local part, record = redis.call('HMGET', KEYS[i], 'partial', 'seconds'), ARGV[3] .. member
  if part[1] and redis.call('HGET', record, 'state') == 'pending' then
    redis.call('HSET', record, 'partial', part[1], 'seconds', part[2] or 0)
  end
end
for i = 1, last do
  if i < 4 or i > 6 then redis.call('DEL', KEYS[i]) end
end
-- The older version may not have come to write the manifest.
if (redis.call('HGET', task, 'open') or '') == '0' then redis.call('ZADD', alarms, now, ARGV[1]) end
return 1
