-- Applies one transaction of one unit, whole or not at all: everything is read and judged before the first write.
--
-- KEYS: the unit's log, the records, then from KEYS[lists] on a pair for each indexed collection: its index i:, its expiries x:.
-- ARGV: tx id, "1" for a safe acknowledgement, lists, number of checks, puts, deletes, events, then in this order
--   check:  record key, version
--   put:    record key, index key or 0, id, expiry in ms since 1970 or 0, value
--   delete: record key, index key or 0, id
--   event:  data
-- Keys are named by their position in KEYS.
-- A record is "1", version (16 digits), expiry in ms (13 digits, 0: never), tx id (12 bytes), value.
-- An entry of the log has one field d: tx id, data.
--
-- Returns {"applied", version, id of the last entry or ""}, {"replayed", version, ""}, {"conflict", check, version of the record}
-- or {"corrupt", record key, 0}.

local HEAD = 42
local GRACE = 60000 -- ms that an expired record stays in its index, so that a clock a little behind does not miss a live one

local tx, safe, lists = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])
local checks, puts, deletes, events = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local log = KEYS[1]

local heads, seen, wrote = {}, 0, false
for k = 2, lists - 1 do
  local head = redis.call('GETRANGE', KEYS[k], 0, HEAD - 1)
  local version = 0
  if head ~= '' then
    version = string.match(head, '^1(%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d)%d%d%d%d%d%d%d%d%d%d%d%d%d............$')
    if not version then
      return {'corrupt', k, 0}
    end
    version = tonumber(version)
  end
  if version > seen then
    seen = version
  end
  heads[k] = {version = version, tx = string.sub(head, 31)}
end

-- touch rewrites a record as it is. A replica that confirms this confirms everything before it, whereas WAIT after a script that
-- wrote nothing speaks about nothing on newer servers.
local function touch(k)
  if heads[k].version > 0 then
    redis.call('SETRANGE', KEYS[k], 30, heads[k].tx)
  else
    redis.call('SET', KEYS[k], '')
    redis.call('DEL', KEYS[k])
  end
end

local check = 8
local put = check + 2 * checks
for i = 0, puts - 1 do
  local k = tonumber(ARGV[put + 5 * i])
  local head = heads[k]
  if head.version > 0 and head.tx == tx then
    if safe then
      touch(k)
    end
    return {'replayed', head.version, ''}
  end
end

for i = 0, checks - 1 do
  local version = heads[tonumber(ARGV[check + 2 * i])].version
  if version ~= tonumber(ARGV[check + 2 * i + 1]) then
    return {'conflict', i, version}
  end
end

local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], seen + 1)
local stamp = string.format('1%016.0f', version)

local at = put
for _ = 1, puts do
  local k, index, id, expiry = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3]
  local record = stamp .. string.rep('0', 13 - #expiry) .. expiry .. tx .. ARGV[at + 4]
  if expiry == '0' then
    redis.call('SET', KEYS[k], record)
  else
    redis.call('SET', KEYS[k], record, 'PXAT', expiry)
  end
  if index > 0 then
    redis.call('ZADD', KEYS[index], 0, id)
    if expiry == '0' then
      redis.call('ZREM', KEYS[index + 1], id)
    else
      redis.call('ZADD', KEYS[index + 1], expiry, id)
    end
  end
  wrote = true
  at = at + 5
end

for _ = 1, deletes do
  local k, index, id = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  wrote = redis.call('DEL', KEYS[k]) > 0 or wrote
  if index > 0 then
    redis.call('ZREM', KEYS[index], id)
    redis.call('ZREM', KEYS[index + 1], id)
  end
  at = at + 3
end

local cursor = ''
for _ = 1, events do
  cursor = redis.call('XADD', log, '*', 'd', tx .. ARGV[at])
  wrote = true
  at = at + 1
end

local dead = string.format('%.0f', time[1] * 1000 - GRACE)
for index = lists, #KEYS, 2 do
  local ids = redis.call('ZRANGEBYSCORE', KEYS[index + 1], '-inf', dead, 'LIMIT', 0, 8)
  if #ids > 0 then
    redis.call('ZREM', KEYS[index], unpack(ids))
    redis.call('ZREM', KEYS[index + 1], unpack(ids))
  end
end

if safe and not wrote then
  touch(2)
end
return {'applied', version, cursor}
