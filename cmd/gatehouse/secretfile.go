package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// standardStream names standard input or output where a file is wanted.
const standardStream = "-"

// readSecret returns what a file or standard input holds, at most limit bytes, without the line end that editors add. A file that
// others may read gets a warning, not a refusal: orchestrators mount secrets with modes of their own.
func (p *program) readSecret(file string, limit int64) (secret.Secret, error) {
	from := p.in
	if file != standardStream {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
			p.warn("others may read %s: chmod 600 it", file)
		}
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, limit+2)) // and the line end
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case value == "":
		return "", fmt.Errorf("read secret: %s is empty", place(file, "standard input"))
	case int64(len(value)) > limit:
		return "", fmt.Errorf("read secret: %s has more than %d bytes", place(file, "standard input"), limit)
	}
	return secret.Secret(value), nil
}

func place(file, stream string) string {
	if file == standardStream {
		return stream
	}
	return file
}

var errNoSecretFile = usagef("say where the secret goes: --secret-file FILE, or --secret-file - for standard output")

// withSecret makes a client secret and calls send, which brings it to the server. The secret is in file before that, so that
// neither a crash nor a lost answer loses it: when the server refuses, the file goes again; when nobody knows, it stays. For "-"
// the secret is printed once the server has it.
func (p *program) withSecret(file string, send func(value string) error) error {
	value := secret.New(secret.ClientSecret).Reveal()
	if file == standardStream {
		if err := send(value); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.out, value)
		return err
	}
	err := apiv1.WriteSecretFile(file, []byte(value))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not overwritten: name another --secret-file, or remove it", file)
	}
	if err != nil {
		return fmt.Errorf("write secret file: %w", err)
	}
	switch err := send(value); {
	case err == nil:
		return nil
	case answered(err):
		return errors.Join(err, os.Remove(file))
	default:
		return &fault{exit: exitCode(err), err: err, next: "whether the server took the new secret is not known; it is kept in " + file}
	}
}
