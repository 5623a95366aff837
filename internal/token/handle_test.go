package token

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a client holds of a grant is read back as what it was made for, by whoever has the key, and by nobody else; nothing made for one
// purpose is good for another.
func TestHandlesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, other := &Handles{Key: []byte("key")}, &Handles{Key: []byte("other key")}
		grant, generation := NewGrantID(), rapid.Uint64().Draw(t, "generation")
		code, device, refresh := h.Code(grant), h.DeviceCode(grant).Reveal(), h.Refresh(grant, generation).Reveal()
		if g, ok := h.Coded(code); !ok || g != grant {
			t.Fatalf("code: %q %v", g, ok)
		}
		if g, ok := h.DeviceCoded(device); !ok || g != grant {
			t.Fatalf("device code: %q %v", g, ok)
		}
		if g, n, ok := h.Refreshed(refresh); !ok || g != grant || n != generation {
			t.Fatalf("refresh token: %q %d %v", g, n, ok)
		}
		for _, foreign := range []string{other.Code(grant), device, refresh, grant, ""} {
			if _, ok := h.Coded(foreign); ok {
				t.Fatalf("%q is taken for a code", foreign)
			}
		}
		for _, foreign := range []string{other.DeviceCode(grant).Reveal(), code, refresh} {
			if _, ok := h.DeviceCoded(foreign); ok {
				t.Fatalf("%q is taken for a device code", foreign)
			}
		}
		for _, foreign := range []string{other.Refresh(grant, generation).Reveal(), code, device} {
			if _, _, ok := h.Refreshed(foreign); ok {
				t.Fatalf("%q is taken for a refresh token", foreign)
			}
		}
		if h.Refresh(grant, generation+1).Reveal() == refresh || !strings.HasPrefix(refresh, "gate_rt_") || !strings.HasPrefix(device, "gate_dc_") {
			t.Fatal("generations are alike, or a prefix is missing")
		}
	})
}
