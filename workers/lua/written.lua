-- A manifest was written: forget the task in time if nothing has changed since it was read.
-- KEYS: task, its callbacks, its asset names, its manifest lock, alarms, then its assets' records
-- ARGV: task id, lock's owner, version written, seconds to remember
-- Reply: 1, or 0 where the task has changed and the manifest must be written again
local task, lock = KEYS[1], KEYS[4]
if redis.call('GET', lock) == ARGV[2] then redis.call('DEL', lock) end
local known = redis.call('HMGET', task, 'version', 'open')
if known[1] and known[1] ~= ARGV[3] then return 0 end
redis.call('ZREM', KEYS[5], ARGV[1])
if known[1] then redis.call('HSET', task, 'written', ARGV[3]) end
if (known[2] or '0') == '0' then
  for i, key in ipairs(KEYS) do
    if i < 4 or i > 5 then redis.call('EXPIRE', key, ARGV[4]) end
  end
end
return 1
