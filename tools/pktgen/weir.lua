-- SPDX-License-Identifier: BSD-3-Clause
-- What the profiles share: settings from the environment, Pktgen's two ports as the routers on
-- either side of weir, and measuring. README.md beside says how to run them.
--
--	port 0: 10.0.0.2, the subscribers' router -- weir -- port 1: 192.0.2.2, the Internet's
--
-- Only what every Pktgen from 22.07 on has is called, but for portStats(), whose arguments and
-- answer changed in 26.02: see totals().

local weir = {
	inside = "0", -- Pktgen's port towards weir's inside interface
	outside = "1",
	remote = "198.18.0.1", -- the host on the Internet that everybody talks to
	remote_port = 9,
	public = "203.0.113.1", -- the only address of the pool "subscribers"
	public_first = 1024,
	imix = { 64, 594, 64, 594, 64, 1518, 64, 594, 64, 594, 64, 64 }, -- seven, four, one
}

-- A setting: the environment variable, or the default; a number where the default is one.
function weir.setting(name, default)
	local text = os.getenv(name)

	if text == nil or text == "" then
		return default
	end
	if type(default) ~= "number" then
		return text
	end
	return tonumber(text) or error(name .. "='" .. text .. "' is no number", 0)
end

weir.duration = weir.setting("DURATION", 10)
weir.rate = weir.setting("RATE", 0) -- million packets a second from a port; 0: as many as it can
weir.size = weir.setting("SIZE", 64) -- with the frame check sequence
weir.macs = {} -- of weir's own ports, by Pktgen's port: begin() learns them

local addresses = { -- of Pktgen's ports, and of weir's
	[weir.inside] = { "10.0.0.2/30", "10.0.0.1" },
	[weir.outside] = { "192.0.2.2/30", "192.0.2.1" },
}

function weir.say(...)
	print("weir: " .. string.format(...))
	io.stdout:flush()
end

-- 1234567 as 1,234,567
function weir.grouped(n)
	local text = string.format("%.0f", n):reverse():gsub("(%d%d%d)", "%1,"):reverse()

	return (text:gsub("^,", ""))
end

function weir.word(text)
	local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")

	return ((a * 256 + b) * 256 + c) * 256 + d
end

-- ADDRESS + n
function weir.address(text, n)
	local word = weir.word(text) + n

	return string.format("%d.%d.%d.%d", word // 16777216, word // 65536 % 256, word // 256 % 256,
		word % 256)
end

-- What `weirctl --lines show sessions protocol udp` said: packets from the remote of each session to
-- its public endpoint. Lines are as conntrack has them: the original tuple, then the reply's.
function weir.read_learnt(path)
	local packets = {}

	for line in assert(io.open(path)):lines() do
		local src, dst, sport, dport = line:match("^udp .*src=%S+ dst=%S+ sport=%d+ dport=%d+.*" ..
			"src=(%S+) dst=(%S+) sport=(%d+) dport=(%d+)")

		if src then
			packets[#packets + 1] = { from = src, from_port = tonumber(sport), to = dst,
				to_port = tonumber(dport), size = weir.size }
		end
	end
	if #packets == 0 then
		error(path .. " has no UDP session in it", 0)
	end
	return packets
end

-- ---- ports ----

-- weir learns Pktgen's MACs from its ARP requests, and Pktgen weir's from the answers. Up to 24.03
-- Pktgen may keep the request until there is more to send: a ping is.
local function meet()
	local version = tonumber(pktgen.info.Pktgen_Version:match("%d+%.%d+")) or 0

	pktgen.send_arp("all", "request")
	if version < 24.05 then
		pktgen.ping4("all")
	end
	pktgen.delay(1000)
end

local function info_of(port)
	local info = pktgen.portInfo(port)[tonumber(port)]

	return info.info or info
end

-- A port sends so many million packets a second, if it can; 0: as many as its link carries. What
-- it is set to. Pktgen counts in percent of a link, whose speed some drivers make up.
function weir.set_rate(port, mpps)
	pktgen.set(port, "rate", 100)
	local full = info_of(port).tx_debug.tx_pps / 1e6
	if mpps == 0 or mpps >= full then
		return full
	end
	pktgen.set(port, "rate", 100 * mpps / full)
	return mpps
end

-- Pktgen's own MAC.
function weir.mac_of(port)
	return info_of(port).l2_l3_info.src_mac
end

-- Both ports speak ARP for their address, and send to weir.
function weir.begin()
	pktgen.screen("off")
	pktgen.stop("all")
	for port, pair in pairs(addresses) do
		pktgen.set_ipaddr(port, "src", pair[1])
		pktgen.set_ipaddr(port, "dst", pair[2])
		pktgen.set_mac(port, "dst", "00:00:00:00:00:00")
		pktgen.process(port, "on")
	end
	weir.say("%s, %s", pktgen.info.Pktgen_Version, pktgen.info.DPDK_Version)
	for _ = 1, 10 do
		meet()
		for port in pairs(addresses) do
			local mac = info_of(port).l2_l3_info.dst_mac

			weir.macs[port] = mac:lower() ~= "00:00:00:00:00:00" and mac or nil
		end
		if weir.macs[weir.inside] and weir.macs[weir.outside] then
			return
		end
	end
	weir.say("weir does not answer ARP for %s on port 0, or %s on port 1: is it up, and its links?",
		addresses[weir.inside][2], addresses[weir.outside][2])
	weir.finish()
	error("no answer", 0)
end

local function range(port, field, first, last, step)
	pktgen.range[field](port, "start", first)
	pktgen.range[field](port, "min", first)
	pktgen.range[field](port, "max", last)
	pktgen.range[field](port, "inc", step)
end

-- A port sends UDP from all of these sources to all of these destinations: each a table with
-- address, addresses, port, ports. Pktgen steps all fields at once, so the numbers of addresses and
-- of ports must have no common divisor if every pair shall come. It builds its packets once, as
-- many as it has transmit buffers, and then sends them again and again.
function weir.range(port, from, to, size)
	pktgen.range.dst_mac(port, "start", weir.macs[port])
	pktgen.range.ip_proto(port, "udp")
	for side, of in pairs({ src = from, dst = to }) do
		local last = weir.address(of.address, (of.addresses or 1) - 1)

		range(port, side .. "_ip", of.address, last, (of.addresses or 1) > 1 and "0.0.0.1" or "0.0.0.0")
		range(port, side .. "_port", of.port, of.port + (of.ports or 1) - 1, (of.ports or 1) > 1 and 1 or 0)
	end
	range(port, "pkt_size", size, size, 0)
	pktgen.set_range(port, "on")
end

-- A port sends these UDP packets in turn, at most 16: each a table with from, from_port, to,
-- to_port, size.
function weir.sequence(port, packets)
	for i, packet in ipairs(packets) do
		pktgen.seqTable(i - 1, port, {
			eth_dst_addr = weir.macs[port],
			eth_src_addr = weir.mac_of(port),
			ip_dst_addr = packet.to,
			ip_src_addr = packet.from .. "/32",
			sport = packet.from_port,
			dport = packet.to_port,
			ethType = "ipv4",
			ipProto = "udp",
			vlanid = 1,
			pktSize = packet.size,
			cos = 0,
			tos = 0,
			gtpu_teid = 0,
			tcp_flags = "ack", -- asked for from 24.05 on, for UDP too
		})
	end
	pktgen.set(port, "seq_cnt", #packets)
end

-- PCAP=yes: a port sends the packets of the file that Pktgen was given for it (-s PORT:FILE), which
-- flows.lua wrote. False: it does not.
function weir.from_file(port)
	if weir.setting("PCAP", "no") ~= "yes" then
		return false
	end
	pktgen.pcap(port, "on")
	return true
end

-- ---- counters ----

-- A port's packets and bytes sent and received since clear().
local function totals(port)
	local known, stats = pcall(pktgen.portStats, port, "port") -- to 25.08

	if not known then
		stats = pktgen.portStats(port) -- from 26.02 on
	end
	stats = stats[tonumber(port)]
	stats = stats.curr or stats
	return { tx = stats.opackets, rx = stats.ipackets, tx_bytes = stats.obytes, rx_bytes = stats.ibytes }
end

-- Seconds; finer than os.time(), and not the time of all cores as os.clock() is.
local function now()
	local file = assert(io.open("/proc/uptime"))
	local seconds = file:read("n")

	file:close()
	return seconds
end

-- Pktgen reads its counters once a second: after this they hold everything.
local function settle()
	pktgen.delay(2500)
end

-- ---- measuring ----

-- Each link's ports, from their first packet to their last: link.sent, link.received, link.lost.
local function read_ends(links)
	for _, link in ipairs(links) do
		link.sent, link.received = totals(link.from).tx, totals(link.to).rx
		link.lost = math.max(0, link.sent - link.received)
		link.lost_percent = link.sent > 0 and 100 * link.lost / link.sent or 100
	end
end

local function begin_run(count)
	pktgen.set("all", "count", count)
	meet()
	pktgen.clear("all")
end

-- All links at once for so many seconds, after two that do not count for the rates: link.tx_rate
-- and rx_rate, packets a second, and rx_bytes.
local function run(links, seconds)
	local before = {}

	begin_run(0)
	for _, link in ipairs(links) do
		pktgen.start(link.from)
	end
	pktgen.delay(2000)
	for i, link in ipairs(links) do
		before[i] = { from = totals(link.from), to = totals(link.to) }
	end
	local begin = now()
	local asked, elapsed = begin, nil
	repeat
		pktgen.delay(1000)
		elapsed = now() - begin
		if begin + elapsed - asked > 10 then -- weir's neighbours age after 30 s
			pktgen.send_arp("all", "request")
			asked = begin + elapsed
		end
	until elapsed >= seconds
	for i, link in ipairs(links) do
		local from, to = totals(link.from), totals(link.to)

		link.tx_rate = (from.tx - before[i].from.tx) / elapsed
		link.rx_rate = (to.rx - before[i].to.rx) / elapsed
		link.rx_bytes = (to.rx_bytes - before[i].to.rx_bytes) / elapsed
	end
	pktgen.stop("all")
	settle()
	read_ends(links)
end

function weir.out()
	return { name = "in to out", from = weir.inside, to = weir.outside }
end

function weir.back()
	return { name = "out to in", from = weir.outside, to = weir.inside }
end

-- A link's port sends so many packets, once, in link.elapsed seconds; that is not much more than
-- it takes to send them when they come from a file.
function weir.shot(link, count)
	begin_run(count)
	local begin = now()
	pktgen.start(link.from)
	repeat
		pktgen.delay(5)
	until pktgen.isSending(link.from)[tonumber(link.from)] ~= "y"
	link.elapsed = now() - begin
	settle()
	read_ends({ link })
	return link
end

-- Calls trial(rate), which says how many percent were lost, and what rate came through, at
-- weir.rate. With SEARCH=yes: finds the highest rate at which no more than LOSS percent are lost
-- (RFC 2544 section 26.1).
function weir.at_rates(trial)
	local allowed = weir.setting("LOSS", 0)
	local lost, came = trial(weir.rate)
	local low, high = 0, came

	if weir.setting("SEARCH", "no") ~= "yes" then
		return
	end
	if lost <= allowed then
		low = came
	else
		high = came * 1.1
		for _ = 1, weir.setting("STEPS", 8) do
			local rate = (low + high) / 2

			if trial(rate) <= allowed then
				low = rate
			else
				high = rate
			end
		end
	end
	weir.say("no more than %g %% lost: %.3f Mpps", allowed, low)
end

-- Sends from each link's port for weir.duration, and says what came through.
function weir.measure(...)
	local links = { ... }

	weir.at_rates(function(rate)
		local lost, came = 0, 0

		for _, link in ipairs(links) do
			weir.set_rate(link.from, rate)
		end
		run(links, weir.duration)
		for _, link in ipairs(links) do
			weir.say("%s: sent %.3f Mpps, received %.3f Mpps, %.3f Gb/s; lost %s of %s (%.4f %%)", link.name,
				link.tx_rate / 1e6, link.rx_rate / 1e6, link.rx_bytes * 8 / 1e9, weir.grouped(link.lost),
				weir.grouped(link.sent), link.lost_percent)
			lost = math.max(lost, link.lost_percent)
			came = math.max(came, link.rx_rate / 1e6)
		end
		return lost, came
	end)
end

-- Nothing sends any more; then Pktgen ends.
function weir.finish()
	pktgen.stop("all")
	if weir.setting("QUIT", "yes") == "yes" then
		pktgen.quit()
	end
end

return weir
