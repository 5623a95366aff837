package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// credentials is the folder in which the command line keeps what people have signed in with, for this user of the machine alone: the
// folder has mode 0700 and what is in it 0600. The refresh tokens, which are worth most, lie in the keyring of the system where there
// is one. Programs that run at once agree by locks in the same folder.
type credentials struct {
	dir      string
	fileOnly bool // never the keyring
}

// credentialsVariable is "file" where no keyring shall be used.
const credentialsVariable = "GATEHOUSE_CREDENTIALS"

const (
	credentialsFile = "credentials.json"
	keyringService  = "gatehouse"
)

// kept is what the file holds.
type kept struct {
	Current string                 `json:"current,omitempty"` // the server of the last login
	Servers map[string]*credential `json:"servers,omitempty"` // by address
}

// A credential is what a login at one server left.
type credential struct {
	Issuer       string            `json:"issuer"`
	User         string            `json:"user"`                   // his name
	Organization string            `json:"organization,omitempty"` // the id of the one he works in; "": none was chosen
	Audiences    []string          `json:"audiences,omitempty"`    // that he signed in for; the first is that of "gatehouse token"
	InKeyring    bool              `json:"in_keyring,omitempty"`   // the refresh token is there
	RefreshToken string            `json:"refresh_token,omitempty"`
	Tokens       map[string]issued `json:"tokens,omitempty"` // those that are still good, by what was asked
}

// issued is what one refresh brought.
type issued struct {
	AccessToken string    `json:"access_token"`
	ExpiresAt   time.Time `json:"expires_at"`
	IDToken     string    `json:"id_token,omitempty"`
	IDExpiresAt time.Time `json:"id_expires_at,omitzero"`
	RenewAt     time.Time `json:"renew_at"` // from then on it is not handed out any more: whoever gets it wants to use it
}

// keep returns where credentials are kept. An environment without a home has none and can keep none.
func (p *program) keep() *credentials {
	dir := p.config
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return &credentials{}
		}
		dir = filepath.Join(base, "gatehouse")
	}
	return &credentials{dir: dir, fileOnly: p.getenv(credentialsVariable) == "file" || !keyringThere()}
}

// keyringThere reports whether it is worth to ask for a keyring: without a session bus the library would try to start one.
func keyringThere() bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return true
	}
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	_, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	return err == nil
}

// read returns what is kept. A file or folder that others can read is refused: who knows who has.
func (c *credentials) read() (*kept, error) {
	k := &kept{}
	if c.dir == "" {
		return k, nil
	}
	path := filepath.Join(c.dir, credentialsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if err := errors.Join(private(c.dir, "700"), private(path, "600")); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, &fault{exit: exitRefused, err: fmt.Errorf("%s is not a file of credentials", path), next: "remove it and run: gatehouse login"}
	}
	return k, nil
}

// private refuses what others than the owner may read or change.
func private(path, want string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return &fault{
			exit: exitRefused, err: fmt.Errorf("%s has mode %04o and may have been read by others", path, mode),
			next: fmt.Sprintf("chmod %s it, and sign in again if others use this machine", want),
		}
	}
	return nil
}

// change carries out fn on what is kept. Nobody else changes it meanwhile, and a crash leaves the old or the new file.
func (c *credentials) change(ctx context.Context, fn func(*kept) error) error {
	unlock, err := c.lock(ctx, "credentials.lock")
	if err != nil {
		return err
	}
	defer unlock()
	k, err := c.read()
	if err != nil {
		return err
	}
	if err := fn(k); err != nil {
		return err
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(c.dir, credentialsFile), append(text, '\n')); err != nil {
		return fmt.Errorf("keep credentials: %w", err)
	}
	return nil
}

// replaceFile puts a file of mode 0600 in the place of another, as one step that is on the disk when it returns.
func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil || runtime.GOOS == "windows" { // which has no syncing of folders
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// lockPause is how often a lock that somebody else holds is tried.
const lockPause = 15 * time.Millisecond

// lock waits for a lock that one process on this machine holds. It ends with the process, whatever becomes of that.
func (c *credentials) lock(ctx context.Context, name string) (unlock func(), err error) {
	if c.dir == "" {
		return nil, &fault{exit: exitRefused, err: errors.New("there is no folder to keep credentials in"), next: "set HOME, or XDG_CONFIG_HOME"}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep credentials: %w", err)
	}
	if err := private(c.dir, "700"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep credentials: %w", err)
	}
	for {
		taken, err := tryLock(f)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if taken {
			return func() { _ = f.Close() }, nil // which gives up the lock
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// lockServer waits until nobody else uses the refresh token of a server.
func (c *credentials) lockServer(ctx context.Context, server string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(server))
	return c.lock(ctx, "refresh-"+hex.EncodeToString(sum[:8])+".lock")
}

// refreshToken returns the refresh token of a credential.
func (c *credentials) refreshToken(server string, of *credential) (string, error) {
	if !of.InKeyring {
		return of.RefreshToken, nil
	}
	value, err := keyring.Get(keyringService, server)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", notSignedIn(server)
	}
	if err != nil {
		return "", &fault{exit: exitNotSignedIn, err: fmt.Errorf("the keyring does not give the credential for %s: %w", server, err), next: "unlock it, or run: " + credentialsVariable + "=file gatehouse login --server " + server}
	}
	return value, nil
}

// put keeps a refresh token: in the keyring, or in the credential that is about to be written where there is no keyring.
func (c *credentials) put(server string, of *credential, refresh string) error {
	if of.InKeyring {
		if err := keyring.Set(keyringService, server, refresh); err != nil {
			return fmt.Errorf("keep the credential in the keyring: %w", err)
		}
		return nil
	}
	of.RefreshToken = refresh
	return nil
}

// forget removes what is kept of a server.
func (c *credentials) forget(ctx context.Context, server string) error {
	return c.change(ctx, func(k *kept) error {
		of := k.Servers[server]
		delete(k.Servers, server)
		if k.Current == server {
			k.Current = ""
		}
		if of == nil || !of.InKeyring {
			return nil
		}
		if err := keyring.Delete(keyringService, server); err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return fmt.Errorf("remove the credential from the keyring: %w", err)
		}
		return nil
	})
}

// notSignedIn says what to do where nobody is signed in.
func notSignedIn(server string) error {
	return &fault{exit: exitNotSignedIn, err: fmt.Errorf("not signed in to %s", server), next: "run: gatehouse login" + serverFlag(server)}
}

// serverFlag is what a command line needs to mean a server.
func serverFlag(server string) string {
	if server == defaultServer {
		return ""
	}
	return " --server " + server
}

// tokenKey names what was asked for, among the tokens of one credential.
func tokenKey(r tokenRequest) string {
	parts, _ := json.Marshal([]any{r.audiences, r.organization, r.details, r.scopes}) // strings only
	return strings.TrimSpace(string(parts))
}
