-- SPDX-License-Identifier: BSD-3-Clause
-- Simple IMIX from the inside to the outside: of twelve packets seven of 64 B, four of 594 B, one of
-- 1518 B (362 B on average). Pktgen mixes sizes only in a sequence, of 16 packets at most, so these
-- are twelve subscribers with a session each.

local weir = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "weir.lua")
local packets = {}

for i, size in ipairs(weir.imix) do
	packets[i] = { from = weir.address("100.64.0.0", i), from_port = 1024, to = weir.remote,
		to_port = weir.remote_port, size = size }
end
weir.begin()
if not weir.from_file(weir.inside) then
	weir.sequence(weir.inside, packets)
end
weir.measure(weir.out())
weir.finish()
