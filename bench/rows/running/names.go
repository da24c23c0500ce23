package running

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"cove/bench/lab"
	"cove/bench/names"
	"cove/bench/peers"
	"cove/bench/roles"
)

// Load is how the names of containers are asked for.
var Load = names.Load{Clients: 16, Each: 500}

// namesRow asks, from within a container, for the name of another on the same network.
func namesRow(with with) lab.Row {
	return lab.Row{
		Name: "name of a container, 16 clients, p99", Target: lab.Within(1, ""), Rounds: 5,
		In: with([]string{peers.Cove, peers.Docker, peers.Podman}, func(e string) lab.Contender {
			return lab.Contender{
				Needs:  []lab.Need{neighbour(e)},
				Before: started(e, "--network named base sleep 100000"), Value: named(e),
			}
		}),
	}
}

// neighbour needs a network with a container on it.
func neighbour(engine string) lab.Need {
	cli := peers.CLI(engine)
	return lab.Need{Name: "a named neighbour of " + engine, Do: func(ctx context.Context, l *lab.Lab) error {
		if err := l.Prepare(ctx, peers.Imported(engine)); err != nil {
			return err
		}
		l.AtEnd(lab.Shell(cli + " rm -f neighbour >/dev/null; " + cli + " network rm named >/dev/null"))
		make := cli + " network create named; "
		return lab.Shell(make+cli+" run -d --name neighbour --network named base sleep 100000")(ctx, l)
	}}
}

// named has this program ask in the network of the subject, the server that its resolv.conf names.
func named(engine string) func(context.Context, *lab.Lab) (float64, error) {
	return func(ctx context.Context, l *lab.Lab) (float64, error) {
		pid, err := process(ctx, l, engine)
		if err != nil {
			return 0, err
		}
		conf, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/resolv.conf", pid))
		if err != nil {
			return 0, err
		}
		_, server, _ := strings.Cut("\n"+string(conf), "\nnameserver ")
		server, _, _ = strings.Cut(server, "\n")
		own, err := os.Executable()
		if err != nil {
			return 0, err
		}
		cmd := l.In(ctx, "nsenter", "-n", "-t", strconv.Itoa(pid), own, net.JoinHostPort(server, "53"), "neighbour")
		cmd.Env = append(cmd.Env, roles.Variable+"="+roles.Names)
		out, err := cmd.Output()
		if err != nil {
			return 0, fmt.Errorf("asking %s: %w: %s", server, err, out)
		}
		ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		return float64(ns) / 1e6, err
	}
}
