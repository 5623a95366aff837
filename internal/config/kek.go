package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// KEKSize is the size of the key-encryption key in bytes.
const KEKSize = 32

// DevKEK is the file of the key-encryption key in dev when none is named. serve --dev makes it, with mode 0600.
const DevKEK = "data/kek"

// KeyEncryptionKey returns the 32 bytes that seal the signing keys, from the environment or the file Keys.KEK. A file that does
// not exist is fs.ErrNotExist; Load has refused that unless Dev is set.
func (c *Config) KeyEncryptionKey() ([]byte, error) {
	if c.kek != nil {
		return append([]byte(nil), c.kek...), nil
	}
	text, err := os.ReadFile(c.Keys.KEK)
	if err != nil {
		return nil, fmt.Errorf("read the key-encryption key: %w", err)
	}
	key, ok := parseKEK(string(text))
	if !ok {
		return nil, fmt.Errorf("read the key-encryption key: %s: %s", c.Keys.KEK, kekWant)
	}
	return key, nil
}

const kekWant = "want 32 bytes in base64, as openssl rand -base64 32 prints them"

func parseKEK(text string) ([]byte, bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	return key, err == nil && len(key) == KEKSize
}

// checkKEK finds the faults of what names the key-encryption key.
func (l *loader) checkKEK() {
	c := l.config
	if l.bad["keys.kek"] {
		return
	}
	if _, isKey := parseKEK(c.Keys.KEK); isKey {
		// The likely slip: the key must not end in a log as the name of a file that is missing.
		l.fault("keys.kek", "is a key itself: want the path of the file that holds it")
		return
	}
	switch {
	case c.kek != nil && c.Keys.KEK != "":
		l.fault("keys.kek", "GATEHOUSE_KEYS_KEK is set as well: want one of them")
		return
	case c.kek != nil:
		return
	case c.Keys.KEK == "" && c.Dev:
		c.Keys.KEK = DevKEK
		l.origins["keys.kek"] = "dev"
	case c.Keys.KEK == "":
		l.fault("keys.kek", "is missing: want the path of a file with 32 bytes in base64 (openssl rand -base64 32 > kek; chmod 600 kek)")
		return
	}
	_, err := c.KeyEncryptionKey()
	switch pathErr := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist) && c.Dev:
		return
	case errors.As(err, &pathErr):
		l.fault("keys.kek", "%s: %v", c.Keys.KEK, pathErr.Err)
		return
	case err != nil:
		l.fault("keys.kek", "%s holds no key: %s", c.Keys.KEK, kekWant)
		return
	}
	if readableByOthers(c.Keys.KEK) {
		l.warn("keys.kek: others may read %s: chmod 600 it", c.Keys.KEK)
	}
}

// readableByOthers leaves the group out: files of secrets that an orchestrator mounts belong to root and a group.
func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0
}
