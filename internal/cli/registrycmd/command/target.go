package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"cove/registry/auth"
	"cove/registry/server"
	"cove/registry/server/config"
)

// Target says which registry a command is about.
type Target struct{ root, config, database string }

// Flags adds those of every command.
func (t *Target) Flags(cmd *cobra.Command) {
	RootFlag(cmd, &t.root)
	cmd.Flags().StringVar(&t.config, "config", "", "the registry's YAML file")
	cmd.Flags().StringVar(&t.database, "database", "", "postgres:// URL, if it is not SQLite in the root")
}

// Configuration is the file's with the flags over it.
func (t *Target) Configuration() (cfg config.Config, err error) {
	if cfg, err = config.Load(t.config); err != nil {
		return cfg, err
	}
	if t.root != "" {
		cfg.Root = t.root
	}
	if t.database != "" {
		cfg.Database = t.database
	}
	return cfg, nil
}

// Administer calls do with the services of the registry. Whoever may open its
// root is its operator.
func (t *Target) Administer(ctx context.Context, do func(s server.Services, by auth.Caller) error) error {
	cfg, err := t.Configuration()
	if err != nil {
		return err
	}
	return server.Administer(ctx, cfg, func(s server.Services) error { return do(s, auth.Operator()) })
}

// Each calls do for every name, whether or not it failed for another.
func Each(names []string, do func(name string) error) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, do(name))
	}
	return errors.Join(errs...)
}
