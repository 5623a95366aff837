package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose hosts may say on whose behalf they connect.
type Proxies []netip.Prefix

// Network returns what one subscriber is taken to own, of the address that the request came from.
func Network(ctx context.Context) string { return NetworkOf(Peer(ctx)) }

// NetworkOf returns what one subscriber is taken to own: an IPv4 address, a /64 of IPv6.
func NetworkOf(addr netip.Addr) string {
	if addr = addr.Unmap().WithZone(""); !addr.Is6() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return p.String()
}

// maxHops bounds the work that an X-Forwarded-For can cause.
const maxHops = 16

// ClientIP returns the address that a request came from: that of the connection, unless a trusted proxy holds it. Then
// X-Forwarded-For is read from its end, where each proxy adds the address that it saw, up to the first address that is not
// itself a trusted proxy; what stands before that is the client's own claim. Forwarded and X-Real-IP are never read: a proxy
// that does not know them passes on what a stranger wrote. It returns the zero Addr for a connection that has no address.
func (p Proxies) ClientIP(r *http.Request) netip.Addr {
	return p.clientIP(connIP(r.RemoteAddr), r.Header["X-Forwarded-For"])
}

func (p Proxies) clientIP(peer netip.Addr, forwarded []string) netip.Addr {
	hops := 0
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest := forwarded[i]; rest != ""; hops++ {
			if hops == maxHops || !p.trusts(peer) {
				return peer
			}
			entry := rest
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				rest = ""
			}
			hop := hopIP(strings.Trim(entry, " \t"))
			if !hop.IsValid() {
				return peer
			}
			peer = hop
		}
	}
	return peer
}

func (p Proxies) trusts(ip netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// connIP reads the address of "ip:port" as net/http writes it.
func connIP(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// hopIP reads an entry of X-Forwarded-For: an address, which some proxies give a port. A zone means nothing off its own link.
func hopIP(entry string) netip.Addr {
	ip, err := netip.ParseAddr(entry)
	if err != nil {
		ip = connIP(entry)
	}
	return ip.WithZone("").Unmap()
}

// Hosts is the set of names that this server answers to, without ports and in lower case. The empty set answers to all.
type Hosts map[string]bool

// NewHosts makes the set of names, each with or without a port.
func NewHosts(names ...string) Hosts {
	set := make(Hosts, len(names))
	for _, n := range names {
		set[strings.ToLower(hostName(n))] = true
	}
	return set
}

// Allows reports whether a request may name host in its Host header or request line. The port is not looked at: no link is
// ever built from either.
func (h Hosts) Allows(host string) bool {
	return len(h) == 0 || h[hostName(host)] || h[strings.ToLower(hostName(host))]
}

// hostName cuts the port off "name:port" or "[v6]:port".
func hostName(host string) string {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.LastIndexByte(host, ']') > colon {
		return host
	}
	for _, c := range host[colon+1:] {
		if c < '0' || c > '9' {
			return host
		}
	}
	return host[:colon]
}
