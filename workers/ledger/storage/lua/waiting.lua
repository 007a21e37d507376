-- Shared: the assets that wait for a worker. Each queue is an index of source hosts by their earliest deadline, and
-- each host has a set of its assets by deadline. So the backlog of one host never delays the assets of another
-- (test_a_host_that_has_its_share_is_passed_over_and_keeps_nobody_waiting).
local waiting = {}

-- The most bytes of a host name, and of a port. URLs that exceed them wait together under an empty host name.
local MAX_HOST, MAX_PORT = 253, 5

-- The URL's host, and its port if that is not the scheme's default. A URL may have a megabyte, so each pattern here
-- needs at most one step a byte (test_no_url_blocks_redis_for_two_seconds).
function waiting.host(url)
  local scheme, authority = string.match(string.lower(url), '^([^:/]*)://([^/?#]*)')
  local named = authority or ''
  named = string.match(named, '^.*@(.*)$') or named
  local host, port = string.match(named, '^(.*):(%d*)$')
  if not host then host, port = named, '' end
  local ends = #host
  while ends > 0 and string.byte(host, ends) == 46 do ends = ends - 1 end
  if ends > MAX_HOST or #port > MAX_PORT then return '' end
  host = string.sub(host, 1, ends)
  if port == '' or (scheme == 'http' and port == '80') or (scheme == 'https' and port == '443') then return host end
  return host .. ':' .. port
end

function waiting.set(index, host) return index .. ':' .. host end

local function put_in_order(index, host)
  local first = redis.call('ZRANGE', waiting.set(index, host), 0, 0, 'WITHSCORES')
  if first[1] then redis.call('ZADD', index, first[2], host) else redis.call('ZREM', index, host) end
end

function waiting.add(index, member, deadline, url)
  local host = waiting.host(url)
  redis.call('ZADD', waiting.set(index, host), deadline, member)
  put_in_order(index, host)
end

-- Remove an asset of a host from a queue; tell whether it was there.
function waiting.take_out(index, host, member)
  if redis.call('ZREM', waiting.set(index, host), member) == 0 then return false end
  put_in_order(index, host)
  return true
end

-- Remove an asset with this URL from the queue in which it waits; give that queue, or nil.
function waiting.remove(indexes, member, url)
  local host = waiting.host(url)
  for _, index in ipairs(indexes) do
    if waiting.take_out(index, host, member) then return index end
  end
end

-- Tell whether an asset with this URL waits in any of the queues.
function waiting.has(indexes, member, url)
  local host = waiting.host(url)
  for _, index in ipairs(indexes) do
    if redis.call('ZSCORE', waiting.set(index, host), member) then return true end
  end
  return false
end

