"""Python's clients against the server: `mcp` over HTTP (old and new protocol) and standard input and output, and `fastmcp`.

usage: mcp_clients.py URL KEY LOCKKEEPER DATA_DIR
"""
import asyncio
import sys

import fastmcp
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

URL, KEY, PROGRAM, DATA_DIR = sys.argv[1:]
STAGING = {"repo": "acme/shop", "environment": "staging"}
WRONG = {"plan_digest": "sha256:" + "0" * 64, "idempotency_key": "k", "reason": "a test"}


async def use(client, name):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    assert "plan_deployment" in tools and "approve" not in " ".join(tools), tools
    planned = await client.call_tool("plan_deployment", STAGING)
    assert planned.structured_content["outcome"] == "planned", planned
    refused = await client.call_tool("deploy_to_environment", WRONG)
    assert refused.is_error and refused.structured_content["refusal"]["code"] == "plan_mismatch", refused
    print(name, "ok")


async def main():
    for mode in ("auto", "legacy"):
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            await use(client, f"mcp http {mode}")
    local = StdioServerParameters(command=PROGRAM, args=["mcp", "--data-dir", DATA_DIR], env={"LOCKKEEPER_KEY": KEY})
    async with Client(local) as client:
        await use(client, "mcp stdio")
    async with fastmcp.Client(URL, auth=KEY) as client:
        names = [tool.name for tool in await client.list_tools()]
        assert "plan_deployment" in names, names
        planned = await client.call_tool("plan_deployment", STAGING)
        assert planned.structured_content["outcome"] == "planned", planned
        refused = await client.call_tool("deploy_to_environment", WRONG, raise_on_error=False)
        assert refused.is_error and refused.structured_content["refusal"]["code"] == "plan_mismatch", refused
        print("fastmcp ok")


asyncio.run(main())
