package cloudsim

import (
	"net/http"
	"strconv"
)

func (rq *azureRequest) accountInfo() error {
	h := rq.w.Header()
	h.Set("X-Ms-Sku-Name", "Standard_LRS")
	h.Set("X-Ms-Account-Kind", "StorageV2")
	h.Set("X-Ms-Is-Hns-Enabled", strconv.FormatBool(rq.opts.Hierarchical))
	rq.reply(http.StatusOK)
	return nil
}

func (rq *azureRequest) createContainer() error {
	if !azureContainerName(rq.container) {
		return azureErr(http.StatusBadRequest, "InvalidResourceName", "The specified resource name contains invalid characters.")
	}
	if rq.core.Bucket(rq.container) != nil {
		return azureErr(http.StatusConflict, "ContainerAlreadyExists", "The specified container already exists.")
	}
	rq.core.CreateBucket(rq.container, false)
	rq.containerHeaders()
	rq.reply(http.StatusCreated)
	return nil
}

func (rq *azureRequest) containerProperties() error {
	if rq.core.Bucket(rq.container) == nil {
		return azureErr(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	}
	h := rq.w.Header()
	h.Set("X-Ms-Lease-Status", "unlocked")
	h.Set("X-Ms-Lease-State", "available")
	h.Set("X-Ms-Has-Immutability-Policy", "false")
	h.Set("X-Ms-Has-Legal-Hold", "false")
	rq.containerHeaders()
	rq.reply(http.StatusOK)
	return nil
}

// containerHeaders are the same at all times: containers have no state here
// that could change.
func (rq *azureRequest) containerHeaders() {
	rq.w.Header().Set("ETag", `"0x8D0000000000001"`)
	rq.w.Header().Set("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
}

// deleteContainer drops the container at once, where the service takes its time.
func (rq *azureRequest) deleteContainer() error {
	rq.core.mu.Lock()
	_, ok := rq.core.buckets[rq.container]
	delete(rq.core.buckets, rq.container)
	rq.core.mu.Unlock()
	if !ok {
		return azureErr(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	}
	rq.mu.Lock()
	for name := range rq.blocks {
		if name.container == rq.container {
			delete(rq.blocks, name)
		}
	}
	rq.mu.Unlock()
	rq.reply(http.StatusAccepted)
	return nil
}
