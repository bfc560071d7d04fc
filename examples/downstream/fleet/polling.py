"""Version 1 of our controller: looks at everything again and again."""

import asyncio

from kubernetes_asyncio import client, config

from fleet.daemons import reconcile_all

PERIOD = 0.2


async def main(kubeconfig):
    await config.load_kube_config(config_file=kubeconfig)
    async with client.ApiClient() as api:
        print("fleet 1 is ready", flush=True)
        while True:
            await reconcile_all(api)
            await asyncio.sleep(PERIOD)
