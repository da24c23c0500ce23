package networkcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/engine"
	"cove/engine/networks"
	"cove/engine/runspec/parse"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/verbs"
)

func create(a *app.App) *cobra.Command {
	var o networks.Options
	var labels, options, reserved []string
	var ipv4, ipv6 bool
	cmd := &cobra.Command{
		Use:   "create [flags] NETWORK",
		Short: "Create a network",
		Example: "  create web\n  create --subnet 10.5.0.0/16 --ip-range 10.5.1.0/24 --gateway 10.5.0.1 web\n" +
			"  create --ipv6 --subnet fd12:3456:789a:1::/64 web\n" +
			"  create --internal -o com.docker.network.bridge.enable_icc=false back\n" +
			"  create -d macvlan --subnet 192.168.1.0/24 --ip-range 192.168.1.192/27 --gateway 192.168.1.1 -o parent=eth0 lan",
		Args: app.ExactArgs(1),
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.Driver, "driver", "d", "bridge", "what it is made of: bridge, macvlan or ipvlan (interfaces on a link of this host)")
	fs.StringArrayVar(&o.Subnets, "subnet", nil, "its addresses: ADDRESS/LENGTH, one for IPv4 and one for IPv6 (default: one that is free here)")
	fs.StringArrayVar(&o.Ranges, "ip-range", nil, "part of the subnet, for containers that ask for no address")
	fs.StringArrayVar(&o.Gateways, "gateway", nil, "address of its bridge, or of the router beside the parent (default: the subnet's first)")
	fs.StringArrayVar(&reserved, "aux-address", nil, "address that no container gets: NAME=ADDRESS")
	fs.BoolVar(&o.Internal, "internal", false, "no way out, and no way in")
	fs.StringArrayVar(&labels, "label", nil, "label it: KEY=VALUE")
	fs.StringArrayVarP(&options, "opt", "o", nil, "option of the driver: parent=LINK, com.docker.network.bridge.name=NAME and others")
	fs.BoolVar(&o.Attachable, "attachable", false, "say in inspect that containers may join it by hand, as they always may")
	ofSwarms(fs)
	fs.BoolVar(&ipv4, "ipv4", true, "give containers IPv4 addresses, which all have")
	fs.BoolVar(&ipv6, "ipv6", false, "give containers IPv6 addresses too; implied by a subnet of such")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if !ipv4 {
			return errdefs.Errorf(errdefs.ErrUnsupported, "--ipv4=false: every network has IPv4 addresses")
		}
		if fs.Changed("ipv6") {
			o.IPv6 = &ipv6
		}
		o.Name = args[0]
		// As docker does, which takes an empty text for none.
		for _, texts := range []*[]string{&o.Subnets, &o.Ranges, &o.Gateways, &options} {
			*texts = slices.DeleteFunc(*texts, func(text string) bool { return text == "" })
		}
		if o.Labels, err = verbs.Labels(labels); err != nil {
			return err
		}
		if o.Option, err = verbs.Pairs("--opt", options); err != nil {
			return err
		}
		if o.Reserved, err = verbs.Pairs("--aux-address", reserved); err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		id, err := eng.CreateNetwork(cmd.Context(), o)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Out, id)
		return nil
	}
	return cmd
}

// ofSwarms adds docker's flags for networks of a swarm, and for addresses that
// something else than the subnet says.
func ofSwarms(fs *pflag.FlagSet) {
	const noSwarm = "there is no swarm: a network is of this machine"
	app.Register(fs,
		app.Only{Name: "scope", Values: []string{"", "local"}, Why: noSwarm},
		app.Only{Name: "ingress", Values: []string{"false"}, Why: noSwarm, Switch: true},
		app.Only{
			Name: "config-only", Values: []string{"false"}, Switch: true,
			Why: "it is for networks of a swarm; create the network with its options",
		},
		app.Only{
			Name: "config-from", Values: []string{""},
			Why: "it is for networks of a swarm; create the network with its options",
		},
		app.Only{Name: "ipam-driver", Values: []string{"", "default"}, Why: "there is only default"},
		app.Only{Name: "ipam-opt", Why: "the default driver has none; --subnet, --ip-range and --gateway say the addresses"},
	)
}

func connect(a *app.App) *cobra.Command {
	var flags parse.NetworkFlags
	var priority int
	cmd := &cobra.Command{
		Use:     "connect [flags] NETWORK CONTAINER",
		Short:   "Put a container on one more network",
		Example: "  connect web db\n  connect --ip 10.5.0.9 --alias data web db",
		Args:    app.ExactArgs(2),
	}
	cmd.Flags().StringArrayVar(&flags.Aliases, "alias", nil, "further name of the container on this network")
	cmd.Flags().StringArrayVar(&flags.Links, "link", nil,
		"another container on this network, by a name of its own: CONTAINER[:ALIAS]")
	cmd.Flags().StringVar(&flags.IP, "ip", "", "its address, as 10.5.0.9")
	cmd.Flags().StringVar(&flags.IP6, "ip6", "", "its IPv6 address, as fd00:5::9")
	cmd.Flags().StringArrayVar(&flags.LinkLocal, "link-local-ip", nil,
		"further address of it, as 169.254.8.8 or fe80::8")
	cmd.Flags().StringArrayVar(&flags.Options, "driver-opt", nil,
		"option of its end: com.docker.network.endpoint.ifname=NAME, or .sysctls=net.ipv4.conf.IFNAME.KEY=VALUE")
	cmd.Flags().IntVar(&priority, "gw-priority", 0, "the network with the highest has the default route, from a start on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return onEngine(cmd.Context(), a, func(ctx context.Context, eng *engine.Engine) error {
			net := fmt.Sprintf("name=%s,gw-priority=%d", args[0], priority)
			return eng.ConnectNetwork(ctx, args[1], net, flags)
		})
	}
	return cmd
}

func disconnect(a *app.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "disconnect [flags] NETWORK CONTAINER",
		Short:   "Take a container off a network",
		Example: "  disconnect web db",
		Args:    app.ExactArgs(2),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "a container or network that is not there is no failure")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return onEngine(cmd.Context(), a, func(ctx context.Context, eng *engine.Engine) error {
			err := verbs.Missing(a, force, eng.DisconnectNetwork(ctx, args[1], args[0]))
			if errors.Is(err, verbs.ErrSilent) {
				return nil
			}
			return err
		})
	}
	return cmd
}

func onEngine(ctx context.Context, a *app.App, do func(context.Context, *engine.Engine) error) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	return do(ctx, eng)
}
