-- Lease the ready asset with the earliest deadline to a worker.
-- KEYS: timers, taken, then for each queue, in the order of the search, the queue and its list of wake-up messages
-- ARGV: owner, seconds of a lease, prefix of the assets' records, then the hosts from which the worker takes no asset
-- Reply: {asset, its whole record, the number of a queue where assets wait without a wake-up message, or 0},
--        or {} if no asset is ready
local now = clock()
local is_full = {}
for i = 4, #ARGV do is_full[ARGV[i]] = true end

-- Expired assets are left to the sweep, which settles them.
local function next_of(index, host)
  return redis.call('ZRANGEBYSCORE', waiting.set(index, host), '(' .. now, '+inf', 'LIMIT', 0, 1)[1]
end

for i = 3, #KEYS, 2 do
  local index, passed = KEYS[i], 0
  while true do
    local host = redis.call('ZRANGE', index, passed, passed)[1]
    if not host then break end
    local member = not is_full[host] and next_of(index, host)
    if not member then
      passed = passed + 1
    else
      waiting.take_out(index, host, member)
      local record = ARGV[3] .. member
      if redis.call('HGET', record, 'state') == 'pending' then
        redis.call('HINCRBY', record, 'attempts', 1)
        redis.call('HSET', record, 'state', 'transferring', 'owner', ARGV[1], 'lease', now + ARGV[2],
          'started_at', now)
        redis.call('HDEL', record, 'fresh')
        redis.call('HSET', KEYS[2], ARGV[1], member)
        redis.call('ZADD', KEYS[1], now + ARGV[2], member)
        local alone = redis.call('ZCARD', index) > 0 and redis.call('LLEN', KEYS[i + 1]) == 0
        return {member, redis.call('HGETALL', record), alone and (i - 1) / 2 or 0}
      end
    end
  end
end
return {}
