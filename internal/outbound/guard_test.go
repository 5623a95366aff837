package outbound_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/outbound"
)

var addresses = []struct {
	address string
	public  bool
}{
	{"1.1.1.1", true}, {"8.8.8.8", true}, {"100.63.255.255", true}, {"100.128.0.1", true}, {"172.15.255.255", true}, {"172.32.0.0", true},
	{"192.167.255.255", true}, {"223.255.255.255", true}, {"2606:4700::1111", true}, {"2a00:1450:4001::5e", true}, {"::ffff:8.8.8.8", true},
	{"0.0.0.0", false}, {"0.1.2.3", false}, {"10.0.0.1", false}, {"10.255.255.255", false}, {"100.64.0.1", false}, {"100.127.255.255", false},
	{"127.0.0.1", false}, {"127.8.9.10", false}, {"169.254.169.254", false}, {"172.16.0.1", false}, {"172.31.255.255", false},
	{"168.63.129.16", false}, {"192.0.0.8", false}, {"192.0.2.1", false}, {"192.88.99.1", false}, {"192.168.1.1", false}, {"198.18.0.1", false},
	{"198.19.255.255", false}, {"198.51.100.7", false}, {"203.0.113.9", false}, {"224.0.0.1", false}, {"239.1.2.3", false}, {"255.255.255.255", false},
	{"::", false}, {"::1", false}, {"::127.0.0.1", false}, {"::ffff:127.0.0.1", false}, {"::ffff:169.254.169.254", false}, {"::ffff:10.0.0.1", false},
	{"64:ff9b::7f00:1", false}, {"64:ff9b::808:808", false}, {"64:ff9b:1::a00:1", false}, {"100::1", false}, {"2001::1", false},
	{"2001:0:a00:1::", false}, {"2001:db8::1", false}, {"2002:7f00:1::", false}, {"3fff::1", false}, {"5f00::1", false}, {"fc00::1", false},
	{"fd00:ec2::254", false}, {"fe80::1", false}, {"fe80::1%eth0", false}, {"2606:4700::1111%eth0", false}, {"fec0::1", false}, {"ff02::1", false},
}

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	g := new(outbound.Guard)
	for _, x := range addresses {
		err := g.Address(netip.MustParseAddr(x.address))
		if public := err == nil; public != x.public {
			t.Errorf("%s: got %v, want public %v", x.address, err, x.public)
		}
		if err != nil && !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", x.address, err)
		}
	}
	if g.Address(netip.Addr{}) == nil {
		t.Error("no address at all: got nil")
	}
}

func TestTheOperatorAllowsNetworksOneByOne(t *testing.T) {
	g := &outbound.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/16")}}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd12::7": true, "10.2.0.1": false, "fd13::1": false, "127.0.0.1": false, "169.254.169.254": false,
	} {
		if err := g.Address(netip.MustParseAddr(address)); (err == nil) != want {
			t.Errorf("%s: got %v, want allowed %v", address, err, want)
		}
	}
}

// DCR-02: every way to write an address that is ours alone is refused when it is registered, not only when it is called.
func TestURLsThatWillNeverBeCalledAreRefused(t *testing.T) {
	g := new(outbound.Guard)
	for _, raw := range []string{
		"https://127.0.0.1/x", "https://[::1]/x", "https://0.0.0.0/", "https://169.254.169.254/latest", "https://10.0.0.7/", "https://[::ffff:127.0.0.1]/",
		"https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://017700000001/", "https://127.0.0.1./", "https://[fe80::1%25eth0]/",
		"http://rp.example/", "http://127.0.0.1/", "ftp://rp.example/", "file:///etc/passwd", "https:///x", "https:rp.example", "//rp.example/", "/x", "",
		"https://u:p@rp.example/", "https://rp.example/#f", "https://rp.example:99999999999999999999/%zz", "https://99999999999999999999/", "https://08.09/",
	} {
		if err := g.URL(raw); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", raw, err)
		}
	}
	for _, raw := range []string{"https://rp.example/logout", "https://rp.example:8443/a?b=c", "https://8.8.8.8/", "https://1.example/"} {
		if err := g.URL(raw); err != nil {
			t.Errorf("%s: got %v, want it accepted", raw, err)
		}
	}
	dev := &outbound.Guard{Loopback: true}
	for _, raw := range []string{"http://127.0.0.1:9/x", "https://[::1]/", "http://localhost:1/"} {
		if err := dev.URL(raw); err != nil {
			t.Errorf("%s on a developer's machine: got %v, want it accepted", raw, err)
		}
	}
}

// F18: whatever the sixteen bytes are, what is allowed is a plain unicast address that is neither ours nor our network's, and the
// form in which it is written makes no difference.
func FuzzGuard(f *testing.F) {
	for _, x := range addresses {
		b := netip.MustParseAddr(x.address).WithZone("").As16()
		f.Add(b[:])
	}
	g := new(outbound.Guard)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		err := g.Address(a)
		u := a.Unmap()
		if err == nil && (!u.IsGlobalUnicast() || u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified()) {
			t.Errorf("%s is allowed", a)
		}
		if again := g.Address(u); (again == nil) != (err == nil) {
			t.Errorf("%s: got %v, and %v as %s", a, err, again, u)
		}
		if u.Is6() && g.Address(u.WithZone("lo")) == nil {
			t.Errorf("%s is allowed with a zone", a)
		}
		// The other ways to carry an IPv4 address in an IPv6 one are no way around.
		if four := u; four.Is4() {
			b4 := four.As4()
			for _, head := range [][]byte{{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
				six, _ := netip.AddrFromSlice(append(head[:12:12], b4[:]...))
				if g.Address(six) == nil {
					t.Errorf("%s is allowed", six)
				}
			}
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, raw := range []string{"https://rp.example/x", "https://2130706433/", "https://[::1%25lo]/", "http://127.0.0.1/", "https://a@b/", "https://%31/"} {
		f.Add(raw)
	}
	g := new(outbound.Guard)
	f.Fuzz(func(t *testing.T, raw string) {
		if err := g.URL(raw); err != nil && !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%q: got %v, want ErrRefused", raw, err)
		}
	})
}
