-- Take what is due: alarms, ready assets whose deadline has come near (they become urgent), and others that expired.
-- Each gets an alarm a little later, so that it is due again if its taker dies.
-- KEYS: alarms, waiting:urgent, waiting:assets, waiting:suspects
-- ARGV: most to take, seconds until they are due again, urgent window    Reply: members
local now, most = clock(), tonumber(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, most)
for i, latest in ipairs({now, now + ARGV[3], now}) do
  local index = KEYS[i + 1]
  for _, host in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', latest, 'LIMIT', 0, most - #due)) do
    local set = waiting.set(index, host)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', latest, 'LIMIT', 0, most - #due)) do
      waiting.take_out(index, host, member)
      due[#due + 1] = member
    end
  end
end
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[2], member) end
return due
