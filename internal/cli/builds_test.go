package cli

import (
	"regexp"
	"testing"
)

// TestBuilds: builds that run no command, with their progress in plain lines.
func TestBuilds(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.registry()
	m.dockerfiles()
	m.story([]step{
		{"build -t built -t other:v1 --iidfile $W/iid --metadata-file $W/meta --progress plain $W", 0, "" +
			"Successfully built SHORT-ID----\n" +
			"Successfully tagged built:latest\n" +
			"Successfully tagged other:v1\n" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"\n" +
			"#4 [files 1/1] COPY env /a/\n" +
			"#4 DONE 0.0s\n" +
			"\n" +
			"#5 [stage-1 1/1] COPY --from=files /a/env /b\n" +
			"#5 DONE 0.0s\n" +
			"\n" +
			"#6 exporting to image\n" +
			"#6 DONE 0.0s\n"},
		{"build -q -t again $W", 0, "sha256:ID\n"},
		{"build --progress plain --target files $W", 0, "" +
			"Successfully built SHORT-ID----\n" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"\n" +
			"#4 [files 1/1] COPY env /a/\n" +
			"#4 CACHED\n" +
			"\n" +
			"#5 exporting to image\n" +
			"#5 DONE 0.0s\n"},
		{"build -t HOST/team/built:v1 --push --progress quiet $W", 0, "" +
			"Successfully built SHORT-ID----\n" +
			"Successfully tagged HOST/team/built:v1\n"},
		{"build --no-cache -q $W", 0, "sha256:ID\n"},
		{"images --format '{{.Repository}}:{{.Tag}} {{.Size}}' built", 0, "built:latest 26B\n"},
		{"history --format '{{.CreatedBy}}|{{.Size}}' built", 0, "" +
			"CMD [\"x\"]|0B\n" +
			"ENV A=1|0B\n" +
			"COPY /a/env /b|13B\n" +
			"COPY env /a/|13B\n" +
			"ARG X|0B\n"},
		{"inspect -f '{{.Config.Env}} {{.Config.Cmd}} {{.Config.Labels}}' built", 0, "[PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin A=1] [x] map[]\n"},
		{"build -q --label a=b --build-arg X=y -t labeled $W", 0, "sha256:ID\n"},
		{"inspect -f '{{.Config.Labels}}' labeled", 0, "map[a:b]\n"},
		{"build -o $W/out --progress plain $W", 0, "" +
			"Successfully exported the files of the image\n" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"\n" +
			"#4 [files 1/1] COPY env /a/\n" +
			"#4 CACHED\n" +
			"\n" +
			"#5 [stage-1 1/1] COPY --from=files /a/env /b\n" +
			"#5 CACHED\n" +
			"\n" +
			"#6 exporting to directory\n" +
			"#6 DONE 0.0s\n"},
		{"build -o type=oci,dest=$W/oci.tar --progress quiet $W", 0, "Successfully built SHORT-ID----\n"},
		{"load -i $W/oci.tar", 0, "" +
			"Loaded image ID: sha256:ID\n" +
			"SHORT-ID----: Already exists\n" +
			"SHORT-ID----: Already exists\n"},
		{"build --check $W", 0, "Check complete, no warnings found.\n"},
		{"build --check -f $W/lint.Dockerfile $W", 1, "" +
			"Check complete, 2 warnings have been found!\n" +
			"\n" +
			"WARNING: ConsistentInstructionCasing - https://docs.docker.com/go/dockerfile/rule/consistent-instruction-casing/\n" +
			"Command 'from' should match the case of the command majority (uppercase)\n" +
			"$W/lint.Dockerfile:1\n" +
			"--------------------\n" +
			"   1 | >>> from scratch\n" +
			"   2 |     COPY five.tar /\n" +
			"   3 |     MAINTAINER me\n" +
			"--------------------\n" +
			"\n" +
			"WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/\n" +
			"Maintainer instruction is deprecated in favor of using label\n" +
			"$W/lint.Dockerfile:3\n" +
			"--------------------\n" +
			"   1 |     from scratch\n" +
			"   2 |     COPY five.tar /\n" +
			"   3 | >>> MAINTAINER me\n" +
			"   4 |     \n" +
			"--------------------\n"},
		{"build -f $W/lint.Dockerfile --progress plain $W", 0, "" +
			"Successfully built SHORT-ID----\n" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from $W/lint.Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"\n" +
			"#4 [1/1] COPY five.tar /\n" +
			"#4 DONE 0.0s\n" +
			"\n" +
			"#5 exporting to image\n" +
			"#5 DONE 0.0s\n" +
			"\n" +
			" 2 warnings found:\n" +
			" - ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase) (line 1)\n" +
			" - MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 3)\n"},
		{"build -f $W/bad.Dockerfile --progress plain $W", 1, "" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from $W/bad.Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"$W/bad.Dockerfile:2\n" +
			"--------------------\n" +
			"   1 |     FROM scratch\n" +
			"   2 | >>> COPY none /a\n" +
			"--------------------\n" +
			"cove: $W/bad.Dockerfile:2: COPY none /a: \"none\": not found in the build context\n"},
		{"build -q -f $W/bad.Dockerfile $W", 1, "cove: $W/bad.Dockerfile:2: COPY none /a: \"none\": not found in the build context\n"},
		{"build -f $W/worse.Dockerfile --progress plain $W", 1, "" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from $W/worse.Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"$W/worse.Dockerfile:2\n" +
			"--------------------\n" +
			"   1 |     FROM scratch\n" +
			"   2 | >>> COPPY none /a\n" +
			"--------------------\n" +
			"cove: $W/worse.Dockerfile:2: COPPY none /a: unknown instruction: COPPY (did you mean COPY?)\n"},
		{"build -f $W/none --progress plain $W", 1, "" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from $W/none\n" +
			"#2 ERROR: build: there is no $W/none here or in the context $W; name another with -f\n" +
			"cove: build: there is no $W/none here or in the context $W; name another with -f\n"},
		{"build --progress plain $W/none", 1, "" +
			"#1 [internal] load build context\n" +
			"#1 ERROR: context $W/none: no such file or directory\n" +
			"cove: context $W/none: no such file or directory\n"},
		{"build --target none --progress plain $W", 1, "" +
			"#1 [internal] load build context\n" +
			"#1 DONE 0.0s\n" +
			"\n" +
			"#2 [internal] load build definition from Dockerfile\n" +
			"#2 DONE 0.0s\n" +
			"\n" +
			"#3 [internal] load .dockerignore\n" +
			"#3 DONE 0.0s\n" +
			"cove: Dockerfile: target stage \"none\" could not be found; there are: files, 1\n"},
		{"builder prune", 0, "Total reclaimed space: 0B\n"},
		{"build", 1, "cove: \"cove build\" requires exactly 1 argument (cove build [flags] CONTEXT). See 'cove build --help'\n"},
		{"build --isolation hyperv $W", 1, "cove: --isolation hyperv: there is only default\n"},
		{"build --rm=false $W", 1, "cove: --rm=false: the container of a RUN is never kept\n"},
		{"build --progress tty $W", 1, "cove: --progress tty: standard error is not a terminal\n"},
		{"build --progress odd $W", 1, "cove: --progress odd: want auto, tty, plain, rawjson, quiet or none\n"},
		{"build -q --progress odd $W", 1, "cove: --progress odd: want auto, tty, plain, rawjson, quiet or none\n"},
		{"build --output type=odd $W", 1, "cove: --output type=odd: type \"odd\": want image, registry, oci, docker, tar, local or cacheonly\n"},
		{"build --output type=tar,push=true $W", 1, "cove: --output type=tar,push=true: type=tar takes no push\n"},
		{"build --platform moon $W", 1, "cove: platform \"moon\": unknown operating system or architecture \"moon\"; there are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, loong64, mips64le, mips64, mipsle, mips, ppc64, ppc, sparc64, sparc, s390, riscv, wasm, on linux, windows, freebsd, darwin, netbsd, openbsd, dragonfly, solaris, illumos, aix, plan9, android, ios, js, wasip1, wasi\n"},
		{"build --secret id= $W", 1, "cove: --secret id=: id has no value\n"},
		{"build --secret id=x,src=$W/none $W", 1, "cove: --secret id=x,src=$W/none: open $W/none: no such file or directory\n"},
		{"build --ssh default=$W/none $W", 1, "cove: --ssh default=$W/none: stat $W/none: no such file or directory\n"},
		{"build --cache-from type=odd $W", 1, "cove: --cache-from type=odd: type \"odd\" is not supported: want registry, local, inline or gha\n"},
		{"build --cache-to type=local $W", 1, "cove: --cache-to type=local: type=local needs dest=DIRECTORY\n"},
		{"build --build-context x $W", 1, "cove: --build-context \"x\": want NAME=CONTEXT\n"},
		{"build --build-arg =x $W", 1, "cove: --build-arg \"=x\": want KEY=VALUE\n"},
		{"build -t UPPER $W", 1, "cove: invalid reference format: \"UPPER\": a repository is lower case: did you mean upper?\n"},
		{"build --source-date-epoch soon $W", 1, "cove: --source-date-epoch soon: want seconds since 1970 or a time like 2006-01-02T15:04:05Z\n"},
		{"build --compression odd $W", 1, "cove: compression odd: want gzip, zstd, estargz or uncompressed\n"},
		{"build --annotation x $W", 1, "cove: --annotation: annotation \"x\": want [LEVEL:]KEY=VALUE\n"},
		{"build --memory 1x $W", 1, "cove: --memory 1x: want a size, as 512m or 2g\n"},
	})
}

// TestBuildIsPushedAsItGoes: the progress says what is sent beside the steps, what the push
// at the end sends, and what was there already. Which comes first is the build's.
func TestBuildIsPushedAsItGoes(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.registry()
	m.dockerfiles()
	for _, sent := range []string{"pushed in", "is there already"} {
		_, errs, code := m.run("build -t HOST/team/built:v1 --push --progress plain $W", "")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		for _, want := range []string{
			`(?m)^#\d+ pushing finished layers to \S+/team/built$`,
			`(?m)^#\d+ \d+\.\d+ sha256:[0-9a-f]{12} \d+B ` + sent,
			`(?m)^#\d+ \d+\.\d+ pushing \S+/team/built:v1$`,
		} {
			if !regexp.MustCompile(want).MatchString(errs) {
				t.Errorf("%s is not in\n%s", want, errs)
			}
		}
	}
	m.do("rmi HOST/team/built:v1")
	m.do("pull -q HOST/team/built:v1")
}
