package apiv1

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A SecretRef says where a secret is. Exactly one field is set; documents sent to the server have Value.
type SecretRef struct {
	FromEnv  string `json:"-" yaml:"fromEnv,omitempty"`  // a variable of the environment
	FromFile string `json:"-" yaml:"fromFile,omitempty"` // a file, without a line feed at its end
	WriteTo  string `json:"-" yaml:"writeTo,omitempty"`  // a file that is made, with a generated secret, when it is not there
	Value    string `json:"value,omitempty" yaml:"value,omitempty"`
}

// String never shows the value.
func (r SecretRef) String() string {
	switch {
	case r.FromEnv != "":
		return "fromEnv: " + r.FromEnv
	case r.FromFile != "":
		return "fromFile: " + r.FromFile
	case r.WriteTo != "":
		return "writeTo: " + r.WriteTo
	}
	return "[redacted]"
}

// GoString never shows the value.
func (r SecretRef) GoString() string { return r.String() }

func (r SecretRef) sources() (n int) {
	for _, s := range []string{r.FromEnv, r.FromFile, r.WriteTo, r.Value} {
		if s != "" {
			n++
		}
	}
	return n
}

// A Resolver fetches secrets. SystemResolver is the one of the command line.
type Resolver struct {
	Env      func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error) // fs.ErrNotExist when there is none
	// WriteFile makes a file that did not exist, readable by its owner alone, and returns when it will survive a crash.
	WriteFile func(path string, data []byte) error
	// Generate makes a secret for writeTo. nil, as in a dry run: a file that is not there stays so, and its secret has no value.
	Generate func() string
}

// Resolve replaces the secret references of documents by the secrets. Every secret that it generates is on disk before it
// returns, so a crash between here and the server's answer loses none: the next run finds the file. The error is Faults.
func Resolve(docs []Document, r Resolver) error {
	var faults Faults
	for i := range docs {
		d := &docs[i]
		resolve := func(path string, ref *SecretRef) {
			if err := r.resolve(ref); err != nil {
				file := d.source
				if file == "" {
					file = d.String()
				}
				faults = append(faults, Fault{File: file, Path: path, Message: err.Error()})
			}
		}
		switch spec := d.Spec.(type) {
		case *UserSpec:
			if spec.Password == nil {
				continue
			}
			if spec.Password.WriteTo != "" {
				faults = append(faults, Fault{File: d.source, Path: "spec.password", Message: "a person's password cannot be generated: use fromEnv or fromFile"})
				continue
			}
			resolve("spec.password", spec.Password)
		case *ConnectorSpec:
			if spec.ClientSecret == nil {
				continue
			}
			if spec.ClientSecret.WriteTo != "" {
				faults = append(faults, Fault{File: d.source, Path: "spec.clientSecret", Message: "the provider makes this secret, so it cannot be generated: use fromEnv or fromFile"})
				continue
			}
			resolve("spec.clientSecret", spec.ClientSecret)
		case *ClientSpec:
			for k := range spec.Secrets {
				resolve(fmt.Sprintf("spec.secrets[%d]", k), &spec.Secrets[k].SecretRef)
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

func (r Resolver) resolve(ref *SecretRef) error {
	if n := ref.sources(); n != 1 {
		return fmt.Errorf("want exactly one of fromEnv, fromFile, writeTo and value, got %d", n)
	}
	value, err := r.fetch(ref)
	if err != nil {
		return err
	}
	*ref = SecretRef{Value: value}
	return nil
}

func (r Resolver) fetch(ref *SecretRef) (string, error) {
	switch {
	case ref.FromEnv != "":
		value, ok := r.Env(ref.FromEnv)
		if !ok || value == "" {
			return "", fmt.Errorf("fromEnv: the variable %s is not set", ref.FromEnv)
		}
		return value, nil
	case ref.FromFile != "":
		return r.read("fromFile", ref.FromFile)
	case ref.WriteTo == "":
		return ref.Value, nil
	}
	value, err := r.read("writeTo", ref.WriteTo)
	if !errors.Is(err, fs.ErrNotExist) {
		return value, err
	}
	if r.Generate == nil {
		return "", nil
	}
	value = r.Generate()
	if err := r.WriteFile(ref.WriteTo, []byte(value)); err != nil {
		return "", fmt.Errorf("writeTo: %w", err)
	}
	return value, nil
}

func (r Resolver) read(field, path string) (string, error) {
	data, err := r.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", field, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s: %s is empty", field, path)
	}
	return value, nil
}

// SystemResolver reads this process's environment and files. generate makes client secrets.
func SystemResolver(generate func() string) Resolver {
	return Resolver{Env: os.LookupEnv, ReadFile: os.ReadFile, WriteFile: WriteSecretFile, Generate: generate}
}

// WriteSecretFile makes a file with mode 0600 that did not exist before (else fs.ErrExist), whole or not at all, and returns
// when both the file and its name are on disk.
func WriteSecretFile(path string, data []byte) (err error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil { // unlike a rename, it replaces nothing
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
