-- Count what needs another step.
-- KEYS: alarms, then queues    ARGV: '' to count what waits in the queues and has expired too, else anything
-- Reply: how many alarms, then what waits in each queue
local counts = {redis.call('ZCARD', KEYS[1])}
local least = ARGV[1] == '' and '-inf' or '(' .. clock()
for i = 2, #KEYS do
  counts[i] = 0
  for _, host in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    counts[i] = counts[i] + redis.call('ZCOUNT', waiting.set(KEYS[i], host), least, '+inf')
  end
end
return counts
