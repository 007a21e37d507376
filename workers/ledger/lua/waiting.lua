-- Shared: the assets that wait for a worker. Each queue is an index of source hosts, by their first deadline, and each
-- host has its assets by deadline. So what waits for one host never stands in the way of another host's.
local waiting = {}

-- No host name has more bytes, and no port. All that have more wait as one host without a name.
local MAX_HOST, MAX_PORT = 253, 5

-- The host that a URL names, and its port if that is not the scheme's own. A URL may have a megabyte, so no pattern here
-- takes more than a step for each byte.
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

-- Take an asset of a host out of a queue; tell whether it was there.
function waiting.take_out(index, host, member)
  if redis.call('ZREM', waiting.set(index, host), member) == 0 then return false end
  put_in_order(index, host)
  return true
end

-- Take an asset with this URL out of whichever of the queues it waits in; give that queue, or nil.
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

