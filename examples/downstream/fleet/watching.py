"""Version 2 of our controller: looks once for each burst of events."""

import asyncio

from kubernetes_asyncio import client, config, watch

from fleet.daemons import reconcile_all

RETRY = 0.2


async def main(kubeconfig):
    await config.load_kube_config(config_file=kubeconfig)
    async with client.ApiClient() as api:
        core, woken = client.CoreV1Api(api), asyncio.Event()
        woken.set()
        watched = (
            core.list_node,
            core.list_pod_for_all_namespaces,
            client.AppsV1Api(api).list_daemon_set_for_all_namespaces,
        )
        watches = [asyncio.create_task(follow(listing, woken)) for listing in watched]
        work = asyncio.create_task(follow_up(api, woken))
        print("fleet 2 is ready", flush=True)
        await asyncio.gather(work, *watches)


async def follow(listing, woken):
    """Every event is a reason to look; a watch that ended begins with what is there, so nothing is missed meanwhile."""
    while True:
        async with watch.Watch() as events:
            async for _ in events.stream(listing):
                woken.set()


async def follow_up(api, woken):
    while True:
        await woken.wait()
        woken.clear()
        if not await reconcile_all(api):
            await asyncio.sleep(RETRY)
            woken.set()
