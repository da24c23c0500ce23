package registrycmd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/resident"
	"cove/registry/server"
	"cove/registry/server/config"
)

type serveFlags struct {
	config, root, listen, redirect     string
	tls, cert, key                     string
	database, externalURL, addressFile string
	hostnames, trustedProxies          []string
	accessLog, beginAnew               bool
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the registry until SIGTERM",
		Long: `Serve the registry until SIGTERM, then let running requests finish.

On an empty folder this makes a certificate authority (tls/ca.crt), a server
certificate for every --hostname and every address of the machine, and the user
admin with the password of $COVE_ADMIN_PASSWORD or a random one. Flags go before
what the --config file says.

SIGHUP reads the certificate again and, from the file, the settings that "registry
config keys" marks as taken; the log names those that wait for a restart.`,
		Example: `  registry serve --root /srv/registry --listen :443 --hostname harbor.example.com
  registry serve --config /etc/cove/registry.yaml
  registry serve --root /tmp/r --listen 127.0.0.1:0 --tls=off --address-file /tmp/r.addr`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "YAML file with the settings below and more (docs/registry.md)")
	command.RootFlag(cmd, &f.root)
	flags.StringVar(&f.listen, "listen", ":5000", "HOST:PORT to serve on; port 0 takes a free one; fd://NAME is a socket of systemd")
	flags.StringVar(&f.redirect, "redirect", "", "HOST:PORT on which plain HTTP is sent to https")
	flags.StringArrayVar(&f.hostnames, "hostname", nil, "name or address that clients use; may be given several times")
	flags.StringVar(&f.tls, "tls", "on", "on, or off for plain HTTP")
	flags.StringVar(&f.cert, "tls-cert", "", "certificate of your own (PEM), read again when it changes")
	flags.StringVar(&f.key, "tls-key", "", "its key")
	flags.StringVar(&f.database, "database", "", "postgres:// URL (default: SQLite in the root)")
	flags.StringVar(&f.externalURL, "external-url", "", "https://HOST by which clients reach a registry behind a proxy")
	flags.StringArrayVar(&f.trustedProxies, "trusted-proxy", nil,
		"address or CIDR of a proxy whose X-Forwarded-* and Forwarded headers are believed; may be given several times")
	flags.StringVar(&f.addressFile, "address-file", "", "file to write the HOST:PORT to once it is listened on")
	flags.BoolVar(&f.accessLog, "access-log", true, "write a line per request to stderr")
	flags.BoolVar(&f.beginAnew, "begin-anew", false,
		"serve although the database is lost, older or another's: content that it does not know is set aside in the root, "+
			"or collected if the database is just older")
	return cmd
}

func (f *serveFlags) serve(cmd *cobra.Command) error {
	resident.LetGo() // half of what is resident until here is what every package does before main
	cfg, err := f.configuration(cmd)
	if err != nil {
		return err
	}
	s, err := server.New(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), s.Welcome()); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s.ReloadOn(hup, func() (config.Config, error) { return f.configuration(cmd) })
	serving, over := context.WithCancel(cmd.Context())
	defer over()
	go resident.Keep(serving, 10*time.Second)
	return s.Run(cmd.Context())
}

// configuration is the file's with the flags that were given over it.
func (f *serveFlags) configuration(cmd *cobra.Command) (cfg config.Config, err error) {
	if cfg, err = config.Load(f.config); err != nil {
		return cfg, err
	}
	cfg.BeginAnew = f.beginAnew
	given := cmd.Flags().Changed
	for _, s := range []struct {
		flag string
		from string
		to   *string
	}{
		{"root", f.root, &cfg.Root},
		{"listen", f.listen, &cfg.Listen},
		{"redirect", f.redirect, &cfg.Redirect},
		{"tls-cert", f.cert, &cfg.TLS.Certificate},
		{"tls-key", f.key, &cfg.TLS.Key},
		{"database", f.database, &cfg.Database},
		{"external-url", f.externalURL, &cfg.ExternalURL},
		{"address-file", f.addressFile, &cfg.AddressFile},
	} {
		if given(s.flag) || *s.to == "" {
			*s.to = s.from
		}
	}
	if given("hostname") {
		cfg.Hostnames = f.hostnames
	}
	if given("trusted-proxy") {
		cfg.TrustedProxies = f.trustedProxies
	}
	if given("access-log") {
		cfg.Log.Access = &f.accessLog
	}
	if given("tls") {
		switch f.tls {
		case "on", "off":
			cfg.TLS.Off = f.tls == "off"
		default:
			return cfg, command.Misused(cmd, fmt.Errorf("--tls is %q; use on or off", f.tls))
		}
	}
	return cfg, nil
}
