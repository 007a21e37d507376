-- Take the steps that are due: timers, ready assets within the urgent window, and expired assets.
-- Each gets a timer a little later, so that it is due again if the process that took it dies
-- (test_a_due_timer_is_taken_by_one_of_two_clocks).
-- KEYS: timers, waiting:urgent, waiting:assets, waiting:suspects
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
