-- An asset's alarm rang: make it ready for a worker, or say why it is not.
-- KEYS: record, alarms, taken, waiting:urgent, waiting:assets, waiting:suspects
-- ARGV: member, urgent window, most crashes, most lapsed leases, seconds to store a partial file, after how many crashes
--       in company it is a suspect
-- Reply: 'urgent', 'assets' or 'suspects' where it became ready there, '' where it needs nothing yet,
--        'expired' or 'poison' where it should be settled so, 'settled' where it is
local record, alarms, taken, urgent, assets, suspects = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, member, window = clock(), ARGV[1], tonumber(ARGV[2])
local known = redis.call('HMGET', record, 'state', 'deadline', 'lease', 'owner', 'crashes', 'lapses',
  'crashes_in_company', 'url')
local state, deadline, lapses = known[1], tonumber(known[2]), tonumber(known[6] or '0')
if state == 'transferring' then
  if tonumber(known[3]) > now then
    redis.call('ZADD', alarms, known[3], member)
    return ''
  end
  lapses = lapses + 1
  redis.call('HSET', record, 'state', 'pending', 'error', 'worker_lost', 'lapses', lapses)
  redis.call('HDEL', record, 'owner', 'lease')
  redis.call('HDEL', taken, known[4])
elseif state ~= 'pending' then
  redis.call('ZREM', alarms, member)
  return 'settled'
end
if deadline <= now then
  -- A partial file in the bucket does not expire: its asset is given time to have it stored instead.
  if redis.call('HEXISTS', record, 'partial') == 0 then return 'expired' end
  deadline = math.floor(now + ARGV[5])
  redis.call('HSET', record, 'final', '1', 'deadline', deadline)
end
if tonumber(known[5] or '0') >= tonumber(ARGV[3]) or lapses >= tonumber(ARGV[4]) then return 'poison' end
local queue, name = assets, 'assets'
if deadline - window <= now then queue, name = urgent, 'urgent' end
redis.call('ZREM', alarms, member)
if tonumber(known[7] or '0') >= tonumber(ARGV[6]) then queue, name = suspects, 'suspects' end
local waited_in = waiting.remove({urgent, assets, suspects}, member, known[8])
waiting.add(queue, member, deadline, known[8])
return waited_in == queue and '' or name
