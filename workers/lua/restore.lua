-- Take back what the bucket's manifest remembers of a task that Redis has forgotten.
-- KEYS: task, its callbacks, its asset names, then its assets' records
-- ARGV: seconds to remember, then lists of fields and values, each led by its number of pairs: the task, its callbacks,
--       and for each asset its name and its own list of fields    Reply: 1, or 0 where the task is known
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local at = 1
local function pairs_into(key)
  local n = tonumber(ARGV[at + 1])
  at = at + 1
  for _ = 1, n do
    redis.call('HSET', key, ARGV[at + 1], ARGV[at + 2])
    at = at + 2
  end
  redis.call('EXPIRE', key, ARGV[1])
end
pairs_into(KEYS[1])
pairs_into(KEYS[2])
for i = 4, #KEYS do
  redis.call('SADD', KEYS[3], ARGV[at + 1])
  at = at + 1
  pairs_into(KEYS[i])
end
redis.call('EXPIRE', KEYS[3], ARGV[1])
return 1
