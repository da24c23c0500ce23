package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// published is the registry that the pulls are from: distribution, for all.
const published = "127.0.0.1:5110"

// newTarget starts an empty registry under an address of its own, in $TARGET:
// clients remember what a registry has, and would push nothing the next time.
func newTarget(_ context.Context, tb *testbed) error {
	if tb.target != nil {
		tb.target.stop()
		if err := os.RemoveAll(filepath.Join(tb.work, "target")); err != nil {
			return err
		}
	}
	tb.targets++
	tb.vars["TARGET"] = fmt.Sprintf("127.0.0.1:%d", 5200+tb.targets)
	var err error
	tb.target, err = tb.serveRegistry(distribution, tb.vars["TARGET"], tb.work, "target")
	return err
}

// publishedImages needs the images that are pulled and loaded: the built one,
// and one of a single large layer, as cove made them.
var publishedImages = need{"the published images", func(ctx context.Context, tb *testbed) error {
	if err := tb.prepare(ctx, built(cove)); err != nil {
		return err
	}
	if _, err := tb.serveRegistry(distribution, published, tb.work, "published"); err != nil {
		return err
	}
	return steps(
		run("$COVE build -q -t single -f $WORK/single.Dockerfile $WORK/ctx"),
		shell("for i in big single; do $COVE tag $i "+published+"/$i; $COVE push -q "+published+"/$i; done"),
		run("$COVE save -o $WORK/big.tar big"),
	)(ctx, tb)
}}

// insecure are the flags by which an engine speaks plain HTTP to loopback.
var insecure = map[string]string{podman: " --tls-verify=false"}

func transferRows() []row {
	engines := []string{cove, docker, podman}
	push := row{
		name: "push of the built image", target: within(0.2, podman),
		in: each(engines, func(e string) contender {
			name := "$TARGET/" + e
			return contender{
				needs:  []need{built(e)},
				before: steps(newTarget, run(cli(e)+" tag big "+name)),
				run:    run(cli(e) + " push -q" + insecure[e] + " " + name),
			}
		}),
	}
	pull := func(image string) []contender {
		return each(engines, func(e string) contender {
			return contender{
				needs: []need{publishedImages, ready(e)}, before: emptied(e),
				run: run(spare(e) + " pull -q" + insecure[e] + " " + published + "/" + image),
			}
		})
	}
	save := each(engines, func(e string) contender {
		return contender{
			needs: []need{built(e)}, before: shell("rm -f $WORK/saved.tar"),
			run: run(cli(e) + " save -o $WORK/saved.tar big"),
		}
	})
	load := each(engines, func(e string) contender {
		return contender{
			needs: []need{publishedImages, ready(e)}, before: emptied(e),
			run: run(spare(e) + " load -q -i $WORK/big.tar"),
		}
	})
	rows := []row{
		push,
		{
			name: "pull and unpack of the built image", target: within(0.35, docker), in: pull("big"),
			after: emptySpares,
		},
		{
			name: "pull and unpack of one layer of 311 MB", target: within(0.5, docker), in: pull("single"),
			after: emptySpares,
		},
		{name: "save of the built image", target: within(0.5, ""), in: save, after: shell("rm -f $WORK/saved.tar")},
		{name: "load of the built image", target: within(0.5, ""), in: load, after: emptySpares},
	}
	for i := range rows {
		rows[i].rounds, rows[i].limit = 3, 2*time.Minute
	}
	return rows
}
