package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

// storeCommand holds the verbs on the file of the embedded store. They work while no server has it open.
func (p *program) storeCommand() *cobra.Command {
	return noun(
		&cobra.Command{
			Use:   "store",
			Short: "Check, compact and copy the file of the embedded store",
			Long: `Check, compact and copy the file of the embedded store. The server that uses it must be stopped first.

FILE is the store of the configuration when it is left out.`,
			Example: "  gatehouse store check\n  gatehouse store backup --to /backup/gatehouse.db",
		},
		p.storeCheckCommand(),
		p.storeCopyCommand("compact", "Write a copy without the space that is no longer used", boltkv.Compact),
		p.storeCopyCommand("backup", "Write an exact copy", copyStore),
	)
}

func (p *program) storeCheckCommand() *cobra.Command {
	var source configSource
	cmd := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Read every page and record and say whether they are what was written",
		Example: "  gatehouse store check\n  gatehouse store check ./data/gatehouse.db",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := p.storeFile(args, source)
			if err != nil {
				return err
			}
			if err := boltkv.Check(file); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.out, "%s is whole\n", file)
			return err
		},
	}
	addStore(cmd, &source)
	return cmd
}

// storeCopyCommand is a verb that makes a new file of a store. None replaces the store in place: a server that starts in the
// wrong moment would go on writing to the file that was replaced.
func (p *program) storeCopyCommand(verb, short string, do func(src, dst string) error) *cobra.Command {
	var source configSource
	var to string
	cmd := &cobra.Command{
		Use:     verb + " [FILE] --to NEW",
		Short:   short,
		Long:    short + ", with mode 0600, and check the copy. NEW must not exist yet. To use the copy, put it in the place of FILE while no server runs.",
		Example: "  gatehouse store " + verb + " --to ./gatehouse-" + verb + ".db\n  gatehouse store " + verb + " ./data/gatehouse.db --to /backup/gatehouse.db",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if to == "" {
				return usagef("say where the copy goes: --to NEW")
			}
			file, err := p.storeFile(args, source)
			if err != nil {
				return err
			}
			if err := do(file, to); err != nil {
				if errors.Is(err, os.ErrExist) {
					return fmt.Errorf("%s exists and is not overwritten: name another file with --to or remove it", to)
				}
				return err
			}
			before, err := os.Stat(file)
			if err != nil {
				return err
			}
			after, err := os.Stat(to)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.out, "%s (%d bytes) is a checked copy of %s (%d bytes)\n", to, after.Size(), file, before.Size())
			return err
		},
	}
	addStore(cmd, &source)
	cmd.Flags().StringVar(&to, "to", "", "the file to make")
	return cmd
}

func addStore(cmd *cobra.Command, source *configSource) {
	addConfig(cmd, &source.file)
	cmd.Flags().StringVar(&source.data, "data", defaultData, "folder of the embedded store")
	_ = cmd.MarkFlagDirname("data")
}

// storeFile is the file that a verb works on: its argument, or what the configuration says. A store that serve --dev made needs
// no more configuration here than it needed there.
func (p *program) storeFile(args []string, source configSource) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	c, err := p.loadConfig(source)
	if err != nil {
		source.set = append(source.set, "dev=true")
		var devErr error
		if c, devErr = p.loadConfig(source); devErr != nil {
			return "", err
		}
	}
	file, embedded := c.Store.Path()
	if !embedded {
		return "", errors.New("the configured store is not embedded: name the file, as in 'gatehouse store check ./data/gatehouse.db'")
	}
	return file, nil
}

// copyStore writes an exact copy of the store at src to dst. Like boltkv.Compact it puts the copy in place only when it is
// whole, durable and checked, and never replaces what is there.
func copyStore(src, dst string) (err error) {
	if _, err := os.Stat(src); err != nil { // boltkv.Open would create it
		return err
	}
	store, err := boltkv.Open(src, boltkv.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	tmp, err := os.CreateTemp(filepath.Dir(dst), filepath.Base(dst)+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = store.WriteTo(tmp)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := boltkv.Check(tmp.Name()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), dst); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(dst))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
