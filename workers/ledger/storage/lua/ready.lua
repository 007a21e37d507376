-- An asset's timer is due: make the asset ready for a worker, or tell why it is not.
-- KEYS: record, timers, taken, waiting:urgent, waiting:assets, waiting:suspects
-- ARGV: member, urgent window, most crashes, most lapsed leases, seconds for storing a partial file, number of crashes
--       in company that makes a suspect
-- Reply: 'urgent', 'assets' or 'suspects' if it became ready in that queue, '' if it needs no step yet,
--        'expired' or 'poison' if the caller should settle it for that reason, 'settled' if it is settled
local record, timers, taken, urgent, assets, suspects = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, member, window = clock(), ARGV[1], tonumber(ARGV[2])
local known = redis.call('HMGET', record, 'state', 'deadline', 'lease', 'owner', 'crashes', 'lapses',
  'crashes_in_company', 'url')
local state, deadline, lapses = known[1], tonumber(known[2]), tonumber(known[6] or '0')
if state == 'transferring' then
  if tonumber(known[3]) > now then
    redis.call('ZADD', timers, known[3], member)
    return ''
  end
  lapses = lapses + 1
  redis.call('HSET', record, 'state', 'pending', 'error', 'worker_lost', 'lapses', lapses)
  redis.call('HDEL', record, 'owner', 'lease')
  redis.call('HDEL', taken, known[4])
elseif state ~= 'pending' then
  redis.call('ZREM', timers, member)
  return 'settled'
end
if deadline <= now then
  -- An asset with a partial file in the bucket does not expire: an attempt stores the partial file instead.
  if redis.call('HEXISTS', record, 'partial') == 0 then return 'expired' end
  deadline = math.floor(now + ARGV[5])
  redis.call('HSET', record, 'final', '1', 'deadline', deadline)
end
if tonumber(known[5] or '0') >= tonumber(ARGV[3]) or lapses >= tonumber(ARGV[4]) then return 'poison' end
local queue, name = assets, 'assets'
if deadline - window <= now then queue, name = urgent, 'urgent' end
redis.call('ZREM', timers, member)
if tonumber(known[7] or '0') >= tonumber(ARGV[6]) then queue, name = suspects, 'suspects' end
local waited_in = waiting.remove({urgent, assets, suspects}, member, known[8])
waiting.add(queue, member, deadline, known[8])
return waited_in == queue and '' or name
