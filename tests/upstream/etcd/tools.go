// Pins the etcd that upstream is tested with; see ../build.py.

//go:build tools

package upstream

import (
	_ "go.etcd.io/etcd/server/v3"
)
