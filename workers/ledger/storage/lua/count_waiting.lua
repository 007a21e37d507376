-- Count the steps to come: the timers, and the ready assets of each queue.
-- KEYS: timers, then queues
-- ARGV: '' to count expired assets too, else any text; the number at which the count of a queue ends
-- Reply: number of timers, then of assets in each queue
local counts, most = {redis.call('ZCARD', KEYS[1])}, tonumber(ARGV[2])
local least = ARGV[1] == '' and '-inf' or '(' .. clock()
for i = 2, #KEYS do
  counts[i] = 0
  local passed = 0
  while counts[i] < most do
    local host = redis.call('ZRANGE', KEYS[i], passed, passed)[1]
    if not host then break end
    counts[i] = counts[i] + redis.call('ZCOUNT', waiting.set(KEYS[i], host), least, '+inf')
    passed = passed + 1
  end
end
return counts
