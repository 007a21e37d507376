-- Take what is due: alarms, ready assets whose deadline has come near (they become urgent), and urgent ones that expired.
-- Each gets an alarm a little later, so that it is due again if its taker dies.
-- KEYS: alarms, ready:urgent, ready:assets    ARGV: most to take, seconds until they are due again, urgent window
-- Reply: members
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for i, latest in ipairs({now, now + ARGV[3]}) do
  local ready = KEYS[i + 1]
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', ready, '-inf', latest, 'LIMIT', 0, ARGV[1] - #due)) do
    redis.call('ZREM', ready, member)
    due[#due + 1] = member
  end
end
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[2], member) end
return due
