-- A process died: give back all its assets at once, and count the crash. If it held one asset, that asset counts as the
-- cause. If it held several, each may be the cause ('crashes_in_company'); ready.lua has such assets tried alone.
-- KEYS: taken, timers    ARGV: prefix of the owners, prefix of the assets' records    Reply: the assets
local held, now = {}, clock()
local taken = redis.call('HGETALL', KEYS[1])
for i = 1, #taken, 2 do
  local owner, member = taken[i], taken[i + 1]
  if string.sub(owner, 1, #ARGV[1]) == ARGV[1] then
    redis.call('HDEL', KEYS[1], owner)
    local known = redis.call('HMGET', ARGV[2] .. member, 'state', 'owner')
    if known[1] == 'transferring' and known[2] == owner then held[#held + 1] = member end
  end
end
for _, member in ipairs(held) do
  local record = ARGV[2] .. member
  redis.call('HSET', record, 'state', 'pending', 'error', 'worker_lost')
  redis.call('HDEL', record, 'owner', 'lease')
  redis.call('HINCRBY', record, #held == 1 and 'crashes' or 'crashes_in_company', 1)
  redis.call('ZADD', KEYS[2], now, member)
end
return held
