package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
)

// applets are the busybox links of a base image.
const applets = `sh ls cat echo true false sleep id env pwd ps kill touch mkdir rm cp mv ln chmod chown stat grep sed awk
	find wc head tail dd test hostname ip ping nc wget httpd mount umount date seq sort tr yes printf readlink unshare
	mknod su top nslookup md5sum sha256sum`

// rootfsTar makes the smallest root filesystem that people would recognise.
func rootfsTar() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(kind byte, name string, mode int64, link, body string) {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Mode: mode, Linkname: link, Size: int64(len(body))}))
		_, writeErr := w.Write([]byte(body))
		err = errors.Join(err, writeErr)
	}
	for d := range strings.FieldsSeq("bin dev etc home proc root sys usr var") {
		add(tar.TypeDir, d+"/", 0o755, "", "")
	}
	add(tar.TypeDir, "tmp/", 0o1777, "", "")
	add(tar.TypeReg, "bin/busybox", 0o755, "", string(busybox))
	for a := range strings.FieldsSeq(applets) {
		add(tar.TypeSymlink, "bin/"+a, 0o777, "busybox", "")
	}
	add(tar.TypeReg, "etc/passwd", 0o644, "", "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001:app:/home:/bin/sh\n")
	add(tar.TypeReg, "etc/group", 0o644, "", "root:x:0:\napp:x:1001:\n")
	return buf.Bytes(), errors.Join(err, w.Close())
}
