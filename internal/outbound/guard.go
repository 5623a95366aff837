package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrRefused is what a call comes to whose address may not be dialled, or that does not begin with https.
var ErrRefused = errors.New("the address may not be called")

// A Guard decides which addresses may be dialled.
type Guard struct {
	// Allow are networks that may be dialled although they are not public.
	Allow []netip.Prefix
	// Loopback lets this machine be called, in plain http too. It is for a developer's machine.
	Loopback bool
}

// special are the parts of the address space that look public and are not: the special-purpose registries of IANA (RFC 6890), and the
// one address of that kind that a large cloud answers its machines at.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT (RFC 6598)
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host, seen from inside
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, where clouds keep their metadata
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"), // multicast
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // Teredo among others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address in disguise
	netip.MustParsePrefix("3fff::/20"),
}

// global is all of IPv6 that is ever public: NAT64, unique local, link-local, multicast and the forms that hold an IPv4 address lie
// outside of it.
var global = netip.MustParsePrefix("2000::/3")

// Address refuses an address that may not be dialled.
func (g *Guard) Address(a netip.Addr) error {
	if a.Zone() != "" {
		return refused("%s has a zone", a)
	}
	a = a.Unmap() // ::ffff:127.0.0.1 is dialled as 127.0.0.1
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case !a.IsValid():
		return refused("there is no address")
	case slices.ContainsFunc(g.Allow, within), g.Loopback && a.IsLoopback():
		return nil
	case a.Is6() && !global.Contains(a), slices.ContainsFunc(special, within):
		return refused("%s is no public address", a)
	}
	return nil
}

// URL refuses an address that no call will ever be made to, so that whoever registers it learns so at once. It resolves no name: that
// a URL is accepted here does not mean that it may be dialled.
func (g *Guard) URL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return refused("it is no URL")
	case u.User != nil:
		return refused("it has a user")
	case u.Fragment != "":
		return refused("it has a fragment")
	}
	if err := g.scheme(u); err != nil {
		return err
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.Address(a)
	}
	// What is no name, resolvers may read as an address all the same: 2130706433, 0x7f.1, 017700000001.
	host := strings.TrimSuffix(u.Hostname(), ".")
	if isNumber(host[strings.LastIndexByte(host, '.')+1:]) {
		return refused("its host is neither a name nor an address in its usual form")
	}
	return nil
}

func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil || errors.Is(err, strconv.ErrRange) || label != "" && strings.Trim(label, "0123456789") == ""
}

func (g *Guard) scheme(u *url.URL) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && g.Loopback: // the dialler sees to it that this stays on the machine
		return nil
	}
	return refused("it does not begin with https://")
}

// control is for net.Dialer: it is asked for each address that is about to be dialled, after the name was resolved.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused("%q is no address", address)
	}
	return g.Address(ap.Addr())
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
