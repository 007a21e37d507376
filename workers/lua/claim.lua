-- Take an asset for one worker until its lease ends.
-- KEYS: record, alarms    ARGV: now, member, owner, end of lease
-- Reply: {state} where it may not be taken, else the whole record
local record, alarms = KEYS[1], KEYS[2]
local now, member, owner, lease = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local known = redis.call('HMGET', record, 'state', 'not_before', 'lease')
local state = known[1]
if state == 'pending' then
  if tonumber(known[2] or '0') > now then return {'waiting'} end
elseif state ~= 'transferring' then
  return {state or 'unknown'}
elseif tonumber(known[3]) > now then
  return {'held'}
end
redis.call('HINCRBY', record, 'attempts', 1)
redis.call('HSET', record, 'state', 'transferring', 'owner', owner, 'lease', lease, 'started_at', ARGV[1])
redis.call('ZADD', alarms, lease, member)
return redis.call('HGETALL', record)
