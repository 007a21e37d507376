-- Count what needs another step.    KEYS: alarms, then queues    Reply: how many alarms, then what waits in each queue
local counts = {redis.call('ZCARD', KEYS[1])}
for i = 2, #KEYS do
  counts[i] = 0
  for _, host in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    counts[i] = counts[i] + redis.call('ZCARD', waiting.set(KEYS[i], host))
  end
end
return counts
