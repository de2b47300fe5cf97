-- The lines: {last = ticket, places = {{ticket, pool's key, until, requests,
-- input_tokens, output_tokens, nano_usd, nonce}}}, one packed value.

local function line_from(raw)
  return raw and cmsgpack.unpack(raw) or {last = 0, places = {}}
end

-- Writes it back, without the places that have lapsed. An empty line is kept for a
-- while, so that no ticket is given out twice.
local function keep_line(key, line, now)
  local kept, last = {}, now
  for _, place in ipairs(line.places) do
    if place[3] > now then
      kept[#kept + 1] = place
      last = math.max(last, place[3])
    end
  end
  local packed = cmsgpack.pack({last = line.last, places = kept})
  call('SET', key, packed, 'PX', lifetime(last, now))
end

local function remove_place(line, ticket)
  for i, place in ipairs(line.places) do
    if place[1] == ticket then return table.remove(line.places, i) end
  end
end
