package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

// purposePepper is what the installation's pepper is sealed for.
const purposePepper = "pepper"

// OperatorID is the client_id of the operator client that the first set-up makes.
const OperatorID iam.ClientID = "operator"

// setup is what the first set-up of a store decides.
type setup struct {
	issuer   string
	dev      bool
	operator bool   // make the operator client
	secret   string // the operator's, already where the operator finds it
	algs     []keys.Alg
	policy   keys.Policy
}

// openInstallation returns the installation, and the hasher under its pepper. nil without an error: the store was never set up.
func openInstallation(ctx context.Context, st *store.Store, sealer *keys.Sealer) (*store.Installation, *secret.Hasher, error) {
	inst, err := st.Installation(ctx)
	if err != nil || inst == nil {
		return nil, nil, err
	}
	pepper, err := sealer.Open(purposePepper, inst.ID, inst.Pepper)
	if errors.Is(err, keys.ErrWrongKEK) {
		return nil, nil, fmt.Errorf("this store was set up with another key-encryption key: start with that one (keys.kek); nothing was changed")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the installation record: %w", err)
	}
	hasher, err := secret.NewHasher(pepper, 0)
	return inst, hasher, err
}

// initialise sets the store up and reports whether it did: when somebody else does at the same moment, whoever writes the
// installation first has made it.
func initialise(ctx context.Context, st *store.Store, sealer *keys.Sealer, s setup, now time.Time) (made bool, err error) {
	pepper := keys.NewSecret().Bytes()
	inst := &store.Installation{ID: iam.NewID("inst"), Dev: s.dev, Issuer: s.issuer, CreatedAt: now}
	if inst.Pepper, err = sealer.Seal(purposePepper, inst.ID, pepper); err != nil {
		return false, err
	}
	hasher, err := secret.NewHasher(pepper, 0)
	if err != nil {
		return false, err
	}
	changes, _ := keys.Plan(nil, s.algs, s.policy, now)
	ring, _, err := keys.Apply(nil, changes, now)
	if err != nil {
		return false, err
	}
	sealed, err := sealKeys(sealer, ring)
	if err != nil {
		return false, err
	}
	err = st.Update(ctx, func(tx *store.Tx) error {
		tx.Safe()
		there, err := tx.Installation()
		if made = there == nil; err != nil || !made {
			return err
		}
		if err := addCommandLine(tx, inst, now); err != nil {
			return err
		}
		for i := range sealed {
			if err := tx.PutSigningKey(&sealed[i]); err != nil {
				return err
			}
		}
		if !s.operator {
			return nil
		}
		hash, err := hasher.Hash(ctx, s.secret)
		if err != nil {
			return err
		}
		return tx.PutClient(&iam.Client{
			ID: OperatorID, Name: string(OperatorID), PlatformRole: iam.Operator,
			GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, AuthMethod: iam.AuthBasic,
			Secrets:   []iam.Secret{{ID: iam.SecretID(iam.NewID("s")), Name: "initial", Hash: hash, CreatedAt: now}},
			CreatedAt: now,
		})
	})
	return made && err == nil, err
}

// ensureCommandLine makes the client of the command line in a store that was set up before there was one.
func ensureCommandLine(ctx context.Context, st *store.Store, now time.Time) error {
	return st.Update(ctx, func(tx *store.Tx) error {
		inst, err := tx.Installation()
		if err != nil || inst == nil || inst.CommandLine {
			return err
		}
		return addCommandLine(tx, inst, now)
	})
}

// addCommandLine makes the client of the command line and notes in the installation that it was made: of several replicas that
// start at once, one has made it. Whatever has its id or its name already stays as it is.
func addCommandLine(tx *store.Tx, inst *store.Installation, now time.Time) error {
	tx.Safe()
	inst.CommandLine = true
	if err := tx.PutInstallation(inst); err != nil {
		return err
	}
	c := iam.CommandLine(token.AdminAudience(inst.Issuer), now.UTC())
	byID, err := tx.Client(c.ID)
	if err != nil || byID != nil {
		return err
	}
	named, err := tx.ClientNamed("", c.Name)
	if err != nil || named != nil {
		return err
	}
	return tx.PutClient(c)
}

// operatorSecret returns the operator's secret from its file, or makes it. What else lies there, a word that somebody chose, must
// not become the key to everything.
func operatorSecret(path string) (string, error) {
	value, err := secretFile(path, newClientSecret)
	if err != nil {
		return "", fmt.Errorf("the operator's secret: %w", err)
	}
	if !secret.WellFormed(value) {
		return "", fmt.Errorf("the operator's secret: %s holds something else: name a file that does not exist", path)
	}
	return value, nil
}

// secretFile returns the secret in a file, or makes one and writes it there, on the disk and readable by nobody else, before
// anybody relies on it.
func secretFile(path string, generate func() string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return string(bytes.TrimSpace(data)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	value := generate()
	err = apiv1.WriteSecretFile(path, []byte(value))
	if errors.Is(err, os.ErrExist) { // another replica on this machine was faster
		return secretFile(path, generate)
	}
	return value, err
}

// loadSealer returns the sealer under the configured key-encryption key. In dev a missing one is made.
func loadSealer(c *config.Config) (*keys.Sealer, error) {
	if c.Dev {
		if _, err := secretFile(c.Keys.KEK, newKEK); err != nil {
			return nil, fmt.Errorf("keys.kek: %w", err)
		}
	}
	raw, err := c.KeyEncryptionKey()
	if err != nil {
		return nil, err
	}
	kek, err := keys.SecretFrom(raw)
	if err != nil {
		return nil, fmt.Errorf("keys.kek: %w", err)
	}
	return keys.NewSealer(kek)
}

func newKEK() string { return base64.StdEncoding.EncodeToString(keys.NewSecret().Bytes()) }
