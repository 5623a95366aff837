package apptest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Clients that send their header byte by byte are cut off, and meanwhile others are served as ever (security catalogue DOS-03).
func TestSlowHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	p := newSite(t).serve("--dev")
	const clients = 500
	slow := make([]net.Conn, clients)
	for i := range slow {
		slow[i] = dial(t, p.address)
		if _, err := io.WriteString(slow[i], "G"); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var reading sync.WaitGroup
	lasted := make([]time.Duration, clients)
	for i, c := range slow {
		reading.Go(func() {
			_ = c.SetReadDeadline(began.Add(patience))
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a slow client is still connected after %v", patience)
			}
			lasted[i] = time.Since(began)
		})
	}
	for range 100 {
		p.broker.DevToken()
	}
	if took := time.Since(began); took > web.DefaultLimits().ReadHeader {
		t.Errorf("100 tokens beside %d slow clients took %v", clients, took)
	}
	reading.Wait()
	if longest, most := slices.Max(lasted), web.DefaultLimits().ReadHeader+2*time.Second; longest > most {
		t.Errorf("a slow client was cut off after %v, want within %v", longest, most)
	}
	p.stop()
}

// A header beyond all bounds is refused with 431 (security catalogue DOS-05).
func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	p := newSite(t).serve("--dev")
	many := strings.Builder{}
	for i := range 1000 {
		fmt.Fprintf(&many, "X-Header-%d: value-of-the-header\r\n", i)
	}
	for name, header := range map[string]string{
		"1 MB in one":      "X-Large: " + strings.Repeat("x", 1<<20) + "\r\n",
		"10 000 cookies":   strings.Repeat("Cookie: a=b\r\n", 10_000),
		"1 000 of 30 each": many.String(),
	} {
		c := dial(t, p.address)
		go func() {
			// The answer comes, and the connection may end, before all is sent.
			_, _ = io.WriteString(c, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: "+p.address+"\r\n"+header+"\r\n")
		}()
		response, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", name, err)
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: got %d, want 431", name, response.StatusCode)
		}
	}
	p.broker.DevToken()
	p.stop()
}

// JSON nested beyond sense is refused at once, and the process is none the worse (security catalogue DOS-06).
func TestDeepJSONIsRefused(t *testing.T) {
	t.Parallel()
	b := apptest.Start(t)
	const depth = 100_000
	for name, body := range map[string]string{
		"arrays":       strings.Repeat("[", depth) + strings.Repeat("]", depth),
		"objects":      strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth),
		"in a field":   `{"name":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`,
		"never closed": strings.Repeat("[", depth),
		"in no field":  `{"nothing":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`,
	} {
		for _, path := range []string{"/clients", "/audiences", "/apply"} {
			began := time.Now()
			a := b.Admin("POST", path, body)
			if a.Status != http.StatusBadRequest && a.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s at %s: got %v, want 400 or 422", name, path, a)
			}
			if took := time.Since(began); took > 2*time.Second { // with the token, on a loaded machine; by itself it is 50 ms
				t.Errorf("%s at %s: refused after %v", name, path, took)
			}
		}
	}
	b.DevToken()
}
