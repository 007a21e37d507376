-- A manifest was written: if the task is settled and has not changed since it was read, let its records expire.
-- KEYS: task, its manifest lock, timers, then its assets' records
-- ARGV: task id, owner of the lock, version written, seconds to remember the task
-- Reply: 1, or 0 if the task has changed and the manifest must be written again
--        (test_an_outdated_manifest_does_not_end_the_timer_of_its_task)
local task, lock = KEYS[1], KEYS[2]
if redis.call('GET', lock) == ARGV[2] then redis.call('DEL', lock) end
local known = redis.call('HMGET', task, 'version', 'open')
if known[1] and known[1] ~= ARGV[3] then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
if known[1] then redis.call('HSET', task, 'written', ARGV[3]) end
if (known[2] or '0') == '0' then
  redis.call('EXPIRE', task, ARGV[4])
  for i = 4, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
end
return 1
