package building

import (
	"context"
	"path/filepath"
	"time"

	"cove/bench/lab"
	"cove/bench/peers"
)

// published is the registry that the pulls are from: peers.Distribution, for all.
const published = "127.0.0.1:5110"

// publishedImages needs the images that are pulled and loaded: the built one,
// and one of a single large layer, as cove made them.
var publishedImages = lab.Need{Name: "the published images", Do: func(ctx context.Context, l *lab.Lab) error {
	if err := l.Prepare(ctx, built(peers.Cove)); err != nil {
		return err
	}
	served := peers.Served{Kind: peers.Distribution, Address: published, Folder: filepath.Join(l.Work, "published")}
	if _, err := peers.Registry(l, served); err != nil {
		return err
	}
	return lab.Steps(
		lab.Run("$COVE build -q -t single -f $WORK/single.Dockerfile $WORK/ctx"),
		lab.Shell("for i in big single; do $COVE tag $i "+published+"/$i; $COVE push -q "+published+"/$i; done"),
		lab.Run("$COVE save -o $WORK/big.tar big"),
	)(ctx, l)
}}

// insecure are the flags by which an engine speaks plain HTTP to loopback.
var insecure = map[string]string{peers.Podman: " --tls-verify=false"}

func transferRows() []lab.Row {
	engines := []string{peers.Cove, peers.Docker, peers.Podman}
	push := lab.Row{
		Name: "push of the built image", Target: lab.Within(0.2, peers.Podman),
		In: peers.Each(engines, func(e string) lab.Contender {
			name := "$TARGET/" + e
			return lab.Contender{
				Needs:  []lab.Need{built(e)},
				Before: lab.Steps(peers.NewTarget, lab.Run(peers.CLI(e)+" tag big "+name)),
				Run:    lab.Run(peers.CLI(e) + " push -q" + insecure[e] + " " + name),
			}
		}),
	}
	pull := func(image string) []lab.Contender {
		return peers.Each(engines, func(e string) lab.Contender {
			return lab.Contender{
				Needs: []lab.Need{publishedImages, peers.Ready(e)}, Before: peers.Emptied(e),
				Run: lab.Run(peers.Spare(e) + " pull -q" + insecure[e] + " " + published + "/" + image),
			}
		})
	}
	save := peers.Each(engines, func(e string) lab.Contender {
		return lab.Contender{
			Needs: []lab.Need{built(e)}, Before: lab.Shell("rm -f $WORK/saved.tar"),
			Run: lab.Run(peers.CLI(e) + " save -o $WORK/saved.tar big"),
		}
	})
	load := peers.Each(engines, func(e string) lab.Contender {
		return lab.Contender{
			Needs: []lab.Need{publishedImages, peers.Ready(e)}, Before: peers.Emptied(e),
			Run: lab.Run(peers.Spare(e) + " load -q -i $WORK/big.tar"),
		}
	})
	rows := []lab.Row{
		push,
		{
			Name: "pull and unpack of the built image", Target: lab.Within(0.35, peers.Docker), In: pull("big"),
			After: peers.EmptySpares,
		},
		{
			Name: "pull and unpack of one layer of 311 MB", Target: lab.Within(0.5, peers.Docker), In: pull("single"),
			After: peers.EmptySpares,
		},
		{
			Name: "save of the built image", Target: lab.Within(0.5, ""), In: save,
			After: lab.Shell("rm -f $WORK/saved.tar"),
		},
		{Name: "load of the built image", Target: lab.Within(0.5, ""), In: load, After: peers.EmptySpares},
	}
	for i := range rows {
		rows[i].Rounds, rows[i].Limit = 3, 2*time.Minute
	}
	return rows
}
