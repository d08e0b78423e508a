"""One conversation: what to tell this customer, and is it done?"""
