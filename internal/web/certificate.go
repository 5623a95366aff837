package web

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// A Certificate is a TLS certificate in files, which are read again when they change. Files that do not hold a good pair leave
// the one in use alone.
type Certificate struct {
	certFile, keyFile string
	now               func() time.Time
	current           atomic.Pointer[tls.Certificate]
	seen              fileStamps // of Watch alone
}

// LoadCertificate reads the pair of PEM files. now is the clock by which an expired certificate is refused.
func LoadCertificate(certFile, keyFile string, now func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, now: now}
	c.seen = c.stamps()
	return c, c.Reload()
}

// Reload reads the files again. On an error, which names what is wrong, the certificate in use stays.
func (c *Certificate) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read TLS certificate %s: %w", c.certFile, err)
	}
	if c.now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("read TLS certificate %s: it expired on %s", c.certFile, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c.current.Store(&pair)
	return nil
}

// NotAfter returns when the certificate in use expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Watch looks at the files every so often until ctx ends, and logs each change and each fault once. It looks at times and sizes
// and not at events of the file system, which are lost when a directory is swapped by a symbolic link, as Kubernetes does.
func (c *Certificate) Watch(ctx context.Context, every time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := c.stamps()
		if now == c.seen {
			continue
		}
		c.seen = now
		if err := c.Reload(); err != nil {
			log.ErrorContext(ctx, "the new TLS certificate is not used, the old one stays", "error", err, "expires", c.NotAfter())
			continue
		}
		log.InfoContext(ctx, "new TLS certificate in use", "expires", c.NotAfter())
	}
}

// fileStamps tell whether the files have changed. Writing the second file of a pair changes them once more, so a pair read
// between the two writes, which does not match, is read again.
type fileStamps struct{ cert, key fileStamp }

type fileStamp struct {
	modified time.Time
	size     int64
}

func (c *Certificate) stamps() fileStamps { return fileStamps{stampOf(c.certFile), stampOf(c.keyFile)} }

// stampOf returns the zero stamp for a file that is not there, which is a change like any other.
func stampOf(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}

// TLSConfig returns the configuration of a listener that shows c: TLS 1.3, or 1.2 with forward secrecy and authenticated
// encryption only (RFC 9325 §4.2).
func (c *Certificate) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
