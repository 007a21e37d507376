-- Count what needs another step.
-- KEYS: alarms, then queues
-- ARGV: '' to count also what waits in the queues and has expired, else anything; a number at which counting a queue ends
-- Reply: how many alarms, then what waits in each queue
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
